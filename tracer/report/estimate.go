package report

// Modes of a report.
const (
	// ModeExact: every call was observed.
	ModeExact = "exact"
	// ModeWindows: calls of allocation functions were observed in windows of time,
	// and what is said of stacks that have an Estimate is scaled up from these.
	ModeWindows = "windows"
	// ModeGrowth: no call of allocation functions was observed, but the system calls
	// that change the address space. Stacks hold what it has grown by and not given
	// back, in whole pages.
	ModeGrowth = "growth"
)

// Sampling says what a report in ModeWindows rests on.
type Sampling struct {
	// Since is how long after the trace began the first window was, seconds.
	SinceSeconds float64 `json:"since_seconds"`
	// Windows is how many there were, TracedSeconds how long in all; Dropped is
	// how many more there were that were not seen whole.
	Windows       int     `json:"windows"`
	TracedSeconds float64 `json:"traced_seconds"`
	Dropped       uint64  `json:"dropped"`
	// Execs is how often the process executed another program: what was seen before
	// counts no more.
	Execs uint64 `json:"execs,omitempty"`
	// MaxOverhead is what tracing may cost, Overhead what it is estimated to have
	// cost; parts of the target's time. Pace is the part of its pace that the
	// target had in windows.
	MaxOverhead float64 `json:"max_overhead"`
	Overhead    float64 `json:"overhead"`
	Pace        float64 `json:"pace"`
	// MaturitySeconds is the age from which windows count for estimates at least.
	MaturitySeconds float64 `json:"maturity_seconds"`
	// Candidates is how many blocks outlived their window; Freed, Reused and
	// FoundFree are those whose end was seen since, by what.
	Candidates uint64 `json:"candidates"`
	Freed      uint64 `json:"freed"`
	Reused     uint64 `json:"reused"`
	FoundFree  uint64 `json:"found_free"`
	// Checked: malloc's own bookkeeping was looked at to find free blocks.
	Checked bool `json:"checked"`
}

// Estimate is what is estimated of a stack that was observed in windows of time.
// The Stack's own figures are then 0, Frames and ID aside.
type Estimate struct {
	// Class is "leak", "active leak", "possible leak", "stopped", "long-lived" or "undecided".
	Class string `json:"class"`
	// Confidence is that in Survivors being more than blocks not freed yet, 0 to 1.
	Confidence float64 `json:"confidence"`
	// What is allocated and not freed, per second, each with the bounds that hold
	// the true value with 95 % confidence.
	LeakBytesPerSecond  Bounds `json:"leak_bytes_per_second"`
	LeakBlocksPerSecond Bounds `json:"leak_blocks_per_second"`
	// MaturitySeconds is the age from which windows count: that of the Sampling, or
	// more where the content of most survivors changed or other blocks lived long.
	MaturitySeconds float64 `json:"maturity_seconds"`
	// Survivors are the observed blocks, at least MaturitySeconds old, that are not
	// known to be freed, from SurvivorWindows windows; Active those among them whose
	// content changed; Young are younger ones. All three are counts, not estimates.
	Survivors       Sum `json:"survivors"`
	SurvivorWindows int `json:"survivor_windows"`
	Active          Sum `json:"active"`
	Young           Sum `json:"young"`
	// AllocationsPerSecond is the rate while windows were open; Survival the part
	// of those allocations that is not known to be freed.
	AllocationsPerSecond float64 `json:"allocations_per_second"`
	Survival             float64 `json:"survival"`
	OldestSeconds        float64 `json:"oldest_seconds"`
}

// Bounds are an estimate and its bounds.
type Bounds struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}
