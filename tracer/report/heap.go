package report

import (
	"io"
	"slices"
	"time"
)

// HeapReport is what is in the heap of a process, found by reading its memory from outside. Sizes of
// blocks are what the program may use of them, which may be some bytes more than it asked for.
type HeapReport struct {
	Schema string `json:"schema"`
	Target Target `json:"target"`
	// Answer says in one sentence what grows, and who holds it.
	Answer          string    `json:"answer"`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	DurationSeconds float64   `json:"duration_seconds"`
	// Looks is how often all blocks were listed, ReadSeconds the processor time of memtrace that
	// took.
	Looks       int     `json:"looks"`
	ReadSeconds float64 `json:"read_seconds"`
	// Stops is set if the process was stopped for looks.
	Stops *HeapStops `json:"stops,omitempty"`
	// OneIn is set where a heap was too large for the memory that is allowed: only one of so many blocks was
	// looked at, and all of 64 KiB and more. What Growing and Kinds have is estimated from these. Holders and Unreachable are not known.
	OneIn uint64 `json:"one_in,omitempty"`
	// Complete is false where the process ended, ran another program, or could not be read whole.
	Complete bool      `json:"complete"`
	Blocks   HeapSpace `json:"blocks"`
	// Growing are the groups of blocks that grow or are exchanged, from the third look on: those
	// that grow first. GrowingTotal is how many there were before the list was cut.
	Growing      []HeapGrowth `json:"growing"`
	GrowingTotal int          `json:"growing_total"`
	// Unreachable is what no pointer leads to, nil where that was not looked for often enough.
	Unreachable *HeapUnreachable `json:"unreachable,omitempty"`
	// Holders are what leads to the other blocks, largest first.
	Holders      []HeapHolder `json:"holders"`
	HoldersTotal int          `json:"holders_total"`
	// Kinds are the blocks by size, kind and holder, those with most bytes first. Where there are many,
	// small ones are added up by size and kind. KindsTotal is how many there were.
	Kinds      []HeapKind `json:"kinds"`
	KindsTotal int        `json:"kinds_total"`
	// Path leads from a root to the block that was asked for.
	Path *HeapPath `json:"path,omitempty"`
	// Suppressed is what suppressions hid; Stacks are groups or roots of lost structures.
	Suppressed []Suppressed `json:"suppressed,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
}

// HeapStops is how often a process was stopped, for how long at most and in all, and how much of its
// memory was copied the last time.
type HeapStops struct {
	Times          int     `json:"times"`
	LongestSeconds float64 `json:"longest_seconds"`
	Seconds        float64 `json:"seconds"`
	CopiedBytes    uint64  `json:"copied_bytes"`
}

// HeapSum is a number of blocks, or of free chunks, and their bytes.
type HeapSum struct {
	Blocks uint64 `json:"blocks"`
	Bytes  uint64 `json:"bytes"`
}

// HeapSpace is what a heap consists of at the last look, with the headers of chunks.
type HeapSpace struct {
	// InUse are blocks that the program has, Mapped those of them with mappings of their own, and
	// MappedKnown how many of these malloc itself counts.
	InUse       HeapSum `json:"in_use"`
	Mapped      HeapSum `json:"mapped"`
	MappedKnown HeapSum `json:"mapped_known"`
	// Free chunks: in bins, in fastbins, in the caches of threads, and at the ends of arenas.
	Bins   HeapSum `json:"bins"`
	Fast   HeapSum `json:"fast"`
	Cached HeapSum `json:"cached"`
	Top    HeapSum `json:"top"`
	// Resyncs is how often the process changed the heap where it was being read.
	Resyncs int `json:"resyncs"`
	// Skipped is what was not looked at.
	Skipped []HeapSkip `json:"skipped,omitempty"`
}

// Free is all that is free.
func (s *HeapSpace) Free() uint64 {
	return addClamped(addClamped(s.Bins.Bytes, s.Fast.Bytes), addClamped(s.Cached.Bytes, s.Top.Bytes))
}

// HeapSkip is memory that was not looked at, added up by reason.
type HeapSkip struct {
	Why    string `json:"why"`
	Ranges int    `json:"ranges"`
	Bytes  uint64 `json:"bytes"`
}

// HeapRoot is where pointers to blocks begin.
type HeapRoot struct {
	// Class is global, interpreter, tls, stack, registers, mapping or epoll; or unreachable, for none; or several; or
	// unlooked, where it was not looked for.
	Class string `json:"class"`
	// Name is that of a variable, or else says what it is: "stack of thread 123 (worker)". Module is
	// the file that a variable is in.
	Name   string `json:"name,omitempty"`
	Module string `json:"module,omitempty"`
	// Address is where it is in the process, 0 where it is at several places.
	Address uint64 `json:"address,omitempty"`
	TID     int    `json:"tid,omitempty"`
}

// HeapGrowth is what becomes of the blocks of a size, a kind and a holder.
type HeapGrowth struct {
	// Size is that of the smallest blocks; those above 1024 bytes are taken together by fourths of
	// powers of two. Kind is a class or a type, "" where it is not known. Where there are too many groups
	// or holders (Holder.Class is several), it says up to which size blocks of all kinds are counted together.
	Size   uint64   `json:"size"`
	Kind   string   `json:"kind,omitempty"`
	Holder HeapRoot `json:"holder"`
	// Shape is that of what the holder holds, such as "list", with the most links from the holder to
	// a block; "" where it is not known.
	Shape string `json:"shape,omitempty"`
	Depth int    `json:"depth,omitempty"`
	// Class is steady, filling, fading or unknown.
	Class string `json:"class"`
	// Slots is the array that the blocks hang on, one in each of its slots, where it was the same at
	// all looks and has empty ones. Slowing: fewer of them come from look to look. One of these makes
	// what else is steady filling.
	Slots   *HeapSlots `json:"slots,omitempty"`
	Slowing bool       `json:"slowing,omitempty"`
	Now     HeapSum    `json:"now"`
	// Came is how many blocks came and were there at the next look, Left how many of such blocks
	// have gone, or changed. PerMinute is the difference by time, Low and High are limits that hold
	// the true rate with a probability of Confidence.
	Came       uint64  `json:"came"`
	Left       uint64  `json:"left"`
	PerMinute  float64 `json:"blocks_per_minute"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	// ByPlace: contents change in use, so blocks were told by address and size alone.
	ByPlace bool         `json:"by_place,omitempty"`
	Cohorts []HeapCohort `json:"cohorts"`
}

// HeapSlots is an array of pointers: how many words it has, and how many of them are 0.
type HeapSlots struct {
	Words uint64 `json:"words"`
	Empty uint64 `json:"empty"`
}

// HeapCohort is the blocks that came between two looks, and how many of them are still there. The
// one without FromSeconds are the blocks of the first look. Times are since the first look.
type HeapCohort struct {
	FromSeconds *float64 `json:"from_seconds,omitempty"`
	ToSeconds   float64  `json:"to_seconds"`
	Came        uint64   `json:"came,omitempty"`
	Stayed      uint64   `json:"stayed"`
}

// HeapUnreachable is what nothing points to, in any of several passes.
type HeapUnreachable struct {
	Passes int `json:"passes"`
	// Certain and Possible are sums of the blocks of Lost.
	Certain  HeapSum `json:"certain"`
	Possible HeapSum `json:"possible"`
	// Lost are the roots of lost structures that are alike, those with most bytes first.
	Lost      []HeapLost `json:"lost"`
	LostTotal int        `json:"lost_total"`
}

// HeapLost are lost blocks of a size and kind to which no other lost block points, unless that is in
// turn reached from it.
type HeapLost struct {
	Size uint64 `json:"size"`
	Kind string `json:"kind,omitempty"`
	// Roots is how many they are, Address is that of one of them. All is what hangs on them,
	// themselves included.
	Roots   uint64  `json:"roots"`
	Address uint64  `json:"address"`
	All     HeapSum `json:"all"`
	// Cycle: they point to each other.
	Cycle   bool `json:"cycle,omitempty"`
	Certain bool `json:"certain"`
	// Why says of what is not certain what speaks against it.
	Why string `json:"why,omitempty"`
}

// HeapHolder is what leads to blocks before any other does.
type HeapHolder struct {
	HeapRoot
	Held  HeapSum    `json:"held"`
	Shape string     `json:"shape,omitempty"`
	Depth int        `json:"depth,omitempty"`
	Of    []HeapPart `json:"of,omitempty"`
	// Growing: it held more blocks at every look. PerMinute is how many more by time.
	Growing   bool    `json:"growing,omitempty"`
	PerMinute float64 `json:"blocks_per_minute,omitempty"`
	// Varies: what it holds goes up and down.
	Varies bool `json:"varies,omitempty"`
}

// HeapPart is the blocks of a size and kind.
type HeapPart struct {
	Size uint64 `json:"size"`
	Kind string `json:"kind,omitempty"`
	HeapSum
}

// HeapKind is the blocks of a size and kind that one holder holds.
type HeapKind struct {
	HeapPart
	// Holder is an index in Holders; HeapNoHolder for what is unreachable, and HeapOtherHolder where
	// what holds them is not in that list.
	Holder int `json:"holder"`
}

// What HeapKind.Holder is if it is no index.
const (
	HeapNoHolder    = -1
	HeapOtherHolder = -2
)

// HeapPath is one way from a root to a block.
type HeapPath struct {
	Address uint64     `json:"address"`
	Steps   []HeapStep `json:"steps"`
	// Missing says why there is none.
	Missing string `json:"missing,omitempty"`
}

// HeapStep is a block on the way, or at first a root.
type HeapStep struct {
	Root    *HeapRoot `json:"root,omitempty"`
	Address uint64    `json:"address"`
	Size    uint64    `json:"size,omitempty"`
	Kind    string    `json:"kind,omitempty"`
	// Omitted is how many blocks before this one are left out.
	Omitted int `json:"omitted,omitempty"`
}

// HeapJSON writes a HeapReport the way JSON writes a Report.
func HeapJSON(w io.Writer, r *HeapReport) error { return writeJSON(w, r.representable()) }

// representable returns a copy in which every string fits into JSON and no list is nil that is always
// written.
func (r *HeapReport) representable() *HeapReport {
	c := *r
	c.Target, c.Answer, c.Notes = r.Target.representable(), bounded(r.Answer), boundedAll(r.Notes)
	c.Blocks.Skipped = slices.Clone(r.Blocks.Skipped)
	for i := range c.Blocks.Skipped {
		c.Blocks.Skipped[i].Why = bounded(c.Blocks.Skipped[i].Why)
	}
	c.Growing = append([]HeapGrowth{}, r.Growing...)
	for i := range c.Growing {
		c.Growing[i] = c.Growing[i].representable()
	}
	if r.Unreachable != nil {
		u := *r.Unreachable
		u.Lost = append([]HeapLost{}, u.Lost...)
		for i := range u.Lost {
			u.Lost[i].Kind, u.Lost[i].Why = bounded(u.Lost[i].Kind), bounded(u.Lost[i].Why)
		}
		c.Unreachable = &u
	}
	c.Holders = append([]HeapHolder{}, r.Holders...)
	for i := range c.Holders {
		h := &c.Holders[i]
		h.HeapRoot, h.Shape, h.Of = h.HeapRoot.representable(), bounded(h.Shape), representableParts(h.Of)
	}
	c.Kinds = append([]HeapKind{}, r.Kinds...)
	for i := range c.Kinds {
		c.Kinds[i].Kind = bounded(c.Kinds[i].Kind)
	}
	if r.Path != nil {
		p := *r.Path
		p.Missing, p.Steps = bounded(p.Missing), append([]HeapStep{}, p.Steps...)
		for i := range p.Steps {
			s := &p.Steps[i]
			s.Kind = bounded(s.Kind)
			if s.Root != nil {
				root := s.Root.representable()
				s.Root = &root
			}
		}
		c.Path = &p
	}
	c.Suppressed = representableSuppressed(r.Suppressed)
	return &c
}

func (g HeapGrowth) representable() HeapGrowth {
	g.Kind, g.Shape, g.Holder = bounded(g.Kind), bounded(g.Shape), g.Holder.representable()
	g.Cohorts = append([]HeapCohort{}, g.Cohorts...)
	if g.Slots != nil {
		slots := *g.Slots
		g.Slots = &slots
	}
	return g
}

func (r HeapRoot) representable() HeapRoot {
	r.Name, r.Module = bounded(r.Name), bounded(r.Module)
	return r
}

func representableParts(list []HeapPart) []HeapPart {
	list = slices.Clone(list)
	for i := range list {
		list[i].Kind = bounded(list[i].Kind)
	}
	return list
}
