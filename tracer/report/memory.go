package report

import (
	"io"
	"time"
)

// MemoryReport is what memtrace knows of a process's address space, without a
// trace.
type MemoryReport struct {
	Schema          string    `json:"schema"`
	Target          Target    `json:"target"`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	DurationSeconds float64   `json:"duration_seconds"`
	Memory          Memory    `json:"memory"`
}

// Memory is an address space by class and how it grows. Bytes are of addresses
// (virtual) or of memory behind them (resident).
type Memory struct {
	// Polls is how often the mappings were looked at.
	Polls int `json:"polls"`
	// Complete is false where the process ended, or resident sizes could not be
	// read; Notes say so.
	Complete bool `json:"complete"`
	// VirtualBytes and ResidentBytes sum up Regions. ResidentKnown is false where
	// no resident sizes could be read.
	VirtualBytes  uint64 `json:"virtual_bytes"`
	ResidentBytes uint64 `json:"resident_bytes"`
	ResidentKnown bool   `json:"resident_known"`
	// The Statm sizes are the kernel's of the whole (/proc/PID/statm), of a
	// moment later.
	StatmVirtualBytes  uint64 `json:"statm_virtual_bytes"`
	StatmResidentBytes uint64 `json:"statm_resident_bytes"`
	// The resident growth is by statm, at every poll.
	ResidentGrowthBytes          int64   `json:"resident_growth_bytes"`
	ResidentGrowthBytesPerSecond float64 `json:"resident_growth_bytes_per_second"`
	// Regions is by class, every one of them.
	Regions []Region `json:"regions"`
	// Segments are those of growing classes that grew most; SegmentsTotal is how
	// many grew.
	Segments      []Segment `json:"segments"`
	SegmentsTotal int       `json:"segments_total"`
	// Verdict says in words what grows.
	Verdict string `json:"verdict"`
	// Notes are remarks on what limits the figures.
	Notes []string `json:"notes,omitempty"`
}

// Region is one class of an address space.
type Region struct {
	// Class is one of text, data, brk, arena, malloc_mmap, mmap, file, shared,
	// library, thread_stack, main_stack, vdso and other; Label is the same in
	// words.
	Class string `json:"class"`
	Label string `json:"label"`
	// Count is how many chunks, heaps, stacks or else mappings there are.
	Count        int    `json:"count"`
	VirtualBytes uint64 `json:"virtual_bytes"`
	// ReservedBytes is the part of VirtualBytes that nothing can be done with
	// (PROT_NONE): guards, and addresses held for later.
	ReservedBytes uint64 `json:"reserved_bytes"`
	ResidentBytes uint64 `json:"resident_bytes"`
	// GrowthBytes is the change since the first poll of VirtualBytes less
	// ReservedBytes, GrowthBytesPerSecond its slope (Theil-Sen), Interval where
	// that lies.
	GrowthBytes          int64     `json:"growth_bytes"`
	GrowthBytesPerSecond float64   `json:"growth_bytes_per_second"`
	Interval             *Interval `json:"growth_interval,omitempty"`
	// Growing: it grows beyond doubt.
	Growing bool `json:"growing"`
	// ResidentGrowthBytes is the change of ResidentBytes since the first poll.
	ResidentGrowthBytes int64 `json:"resident_growth_bytes"`
}

// Interval is where a slope lies with a confidence from 0 to 1, bytes a second.
type Interval struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
}

// Segment is a growing range of addresses.
type Segment struct {
	Start uint64 `json:"start"`
	End   uint64 `json:"end"`
	Class string `json:"class"`
	Label string `json:"label"`
	// ThenBytes could be used at the first poll, NowBytes at the last.
	ThenBytes uint64 `json:"then_bytes"`
	NowBytes  uint64 `json:"now_bytes"`
	// Count is how many chunks and the like are in it.
	Count int `json:"count"`
	// Name is what /proc/PID/maps calls it.
	Name string `json:"name,omitempty"`
	// Stack is the ID of the stack that mapped it, where that is known, and Origin
	// its innermost functions: a report may not show the stack.
	Stack  string `json:"stack,omitempty"`
	Origin string `json:"origin,omitempty"`
}

// representable returns a copy of m whose strings fit into JSON.
func (m Memory) representable() Memory {
	m.Verdict = bounded(m.Verdict)
	m.Notes = boundedAll(m.Notes)
	m.Regions = append([]Region{}, m.Regions...)
	for i := range m.Regions {
		r := &m.Regions[i]
		r.Class, r.Label = bounded(r.Class), bounded(r.Label)
	}
	m.Segments = append([]Segment{}, m.Segments...)
	for i := range m.Segments {
		s := &m.Segments[i]
		s.Class, s.Label, s.Name = bounded(s.Class), bounded(s.Label), bounded(s.Name)
		s.Stack, s.Origin = bounded(s.Stack), bounded(s.Origin)
	}
	return m
}

// MemoryJSON writes a MemoryReport as JSON does a Report.
func MemoryJSON(w io.Writer, r *MemoryReport) error {
	c := *r
	c.Target = r.Target.representable()
	c.Memory = r.Memory.representable()
	return writeJSON(w, &c)
}
