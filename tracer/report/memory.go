package report

import (
	"io"
	"time"
)

// MemoryReport is what memtrace knows of a process's address space without tracing it.
type MemoryReport struct {
	Schema string `json:"schema"`
	Target Target `json:"target"`
	// Answer says in one sentence whether the process grows, and where. It is the first line
	// of the text form.
	Answer          string    `json:"answer"`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	DurationSeconds float64   `json:"duration_seconds"`
	Memory          Memory    `json:"memory"`
}

// Memory is an address space by class, and how it grows. Virtual bytes count addresses,
// resident bytes the memory behind them.
type Memory struct {
	// Polls is how often the mappings were read.
	Polls int `json:"polls"`
	// Complete is false where the process ended or resident sizes could not be read. Notes
	// then say so.
	Complete bool `json:"complete"`
	// VirtualBytes and ResidentBytes are the sums over Regions. ResidentKnown is false where
	// no resident sizes could be read.
	VirtualBytes  uint64 `json:"virtual_bytes"`
	ResidentBytes uint64 `json:"resident_bytes"`
	ResidentKnown bool   `json:"resident_known"`
	// OwnKnown: resident sizes were read, or had not grown, often enough to tell whether OwnBytes
	// grows.
	OwnKnown bool `json:"own_known"`
	// The Statm sizes are the kernel's totals (/proc/PID/statm), read a moment later.
	StatmVirtualBytes  uint64 `json:"statm_virtual_bytes"`
	StatmResidentBytes uint64 `json:"statm_resident_bytes"`
	// The resident growth comes from statm, read at every poll.
	ResidentGrowthBytes          int64   `json:"resident_growth_bytes"`
	ResidentGrowthBytesPerSecond float64 `json:"resident_growth_bytes_per_second"`
	// ResidentGrowing: resident memory grows beyond doubt.
	ResidentGrowing bool `json:"resident_growing"`
	// Regions has an entry for every class.
	Regions []Region `json:"regions"`
	// Segments are the segments of growing classes that grew most. SegmentsTotal is how many
	// grew.
	Segments      []Segment `json:"segments"`
	SegmentsTotal int       `json:"segments_total"`
	// Verdict says in sentences what grows.
	Verdict string `json:"verdict"`
	// Notes say what limits the figures.
	Notes []string `json:"notes,omitempty"`
}

// Region is one class of an address space.
type Region struct {
	// Class is one of text, data, brk, arena, malloc_mmap, mmap, file, shared, library,
	// thread_stack, main_stack, vdso and other. Label is the same in words.
	Class string `json:"class"`
	Label string `json:"label"`
	// Count is the number of chunks, heaps or stacks, or else of mappings.
	Count        int    `json:"count"`
	VirtualBytes uint64 `json:"virtual_bytes"`
	// ReservedBytes is the part of VirtualBytes that cannot be accessed (PROT_NONE): guards,
	// and addresses held for later use.
	ReservedBytes uint64 `json:"reserved_bytes"`
	ResidentBytes uint64 `json:"resident_bytes"`
	// GrowthBytes is the change of VirtualBytes less ReservedBytes since the first poll.
	// GrowthBytesPerSecond is its slope (Theil-Sen), and Interval the confidence interval of
	// the slope.
	GrowthBytes          int64     `json:"growth_bytes"`
	GrowthBytesPerSecond float64   `json:"growth_bytes_per_second"`
	Interval             *Interval `json:"growth_interval,omitempty"`
	// Growing: the class grows beyond doubt.
	Growing bool `json:"growing"`
	// ResidentGrowthBytes is the change of ResidentBytes since the first poll.
	ResidentGrowthBytes int64 `json:"resident_growth_bytes"`
	// OwnBytes is the part of ResidentBytes that is memory of the process, or shared memory. The
	// rest is pages of files, which the kernel can take back at any time. The other figures are
	// its change, its slope, and whether it grows beyond doubt.
	OwnBytes                uint64  `json:"own_bytes"`
	OwnGrowthBytes          int64   `json:"own_growth_bytes"`
	OwnGrowthBytesPerSecond float64 `json:"own_growth_bytes_per_second"`
	OwnGrowing              bool    `json:"own_growing"`
}

// Interval is the range of a slope in bytes a second, with a confidence from 0 to 1.
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
	// ThenBytes were usable at the first poll, NowBytes at the last.
	ThenBytes uint64 `json:"then_bytes"`
	NowBytes  uint64 `json:"now_bytes"`
	// Count is how many chunks and the like it holds.
	Count int `json:"count"`
	// Name is its name in /proc/PID/maps.
	Name string `json:"name,omitempty"`
	// Stack is the ID of the stack that mapped it, where known. Origin is the innermost
	// functions of that stack, because a report may not show the stack itself.
	Stack  string `json:"stack,omitempty"`
	Origin string `json:"origin,omitempty"`
}

// representable returns a copy of m in which every string fits into JSON.
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

// MemoryJSON writes a MemoryReport the way JSON writes a Report.
func MemoryJSON(w io.Writer, r *MemoryReport) error {
	c := *r
	c.Target, c.Answer = r.Target.representable(), bounded(r.Answer)
	c.Memory = r.Memory.representable()
	return writeJSON(w, &c)
}
