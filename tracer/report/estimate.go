package report

// These are the modes of a report.
const (
	// ModeExact: every call was observed.
	ModeExact = "exact"
	// ModeWindows: calls of allocation functions were observed in windows of time only. The
	// figures of stacks that have an Estimate are scaled up from those windows.
	ModeWindows = "windows"
	// ModeGrowth: no call of an allocation function was observed, only the system calls that
	// change the address space. Stacks hold what the address space has grown by and not given
	// back, in whole pages.
	ModeGrowth = "growth"
)

// Sampling says what a report in ModeWindows rests on.
type Sampling struct {
	// SinceSeconds is the time from the start of the trace to the first window, in seconds.
	SinceSeconds float64 `json:"since_seconds"`
	// Windows is the number of windows that were observed whole, and TracedSeconds their total
	// length. Dropped is the number of windows that were not observed whole.
	Windows       int     `json:"windows"`
	TracedSeconds float64 `json:"traced_seconds"`
	Dropped       uint64  `json:"dropped"`
	// Execs is how often the process executed another program. What was observed before an
	// exec no longer counts.
	Execs uint64 `json:"execs,omitempty"`
	// MaxOverhead is the overhead that tracing may cause, and Overhead the estimate of what it
	// did cause, both as fractions of the target's time. Pace is the speed of the target
	// inside the windows, as a fraction of its normal speed.
	MaxOverhead float64 `json:"max_overhead"`
	Overhead    float64 `json:"overhead"`
	// ProbesOverhead is the part of Overhead that is due to probes. The rest is memtrace's own
	// processor time.
	ProbesOverhead float64 `json:"probes_overhead"`
	Pace           float64 `json:"pace"`
	// WorkScale is how many times as much the target does outside the windows as in them, in
	// the same time. What leaks by work is scaled by it, what leaks by time is not.
	WorkScale Bounds `json:"work_scale"`
	// MaturitySeconds is the minimum age from which windows count for estimates.
	MaturitySeconds float64 `json:"maturity_seconds"`
	// Candidates is the number of blocks that outlived their window. Freed, Reused and
	// FoundFree count those whose end was observed later, by how it showed.
	Candidates uint64 `json:"candidates"`
	Freed      uint64 `json:"freed"`
	Reused     uint64 `json:"reused"`
	FoundFree  uint64 `json:"found_free"`
	// Checked: malloc's own bookkeeping was read to find free blocks.
	Checked bool `json:"checked"`
}

// Estimate is what is estimated for a stack that was observed in windows of time. The Stack's
// own figures are then 0, except for Frames and ID.
type Estimate struct {
	// Class is "leak", "active leak", "possible leak", "stopped", "long-lived" or "undecided".
	Class string `json:"class"`
	// Confidence is the confidence, from 0 to 1, that Survivors are more than blocks not freed
	// yet.
	Confidence float64 `json:"confidence"`
	// These are the bytes and blocks allocated and never freed, per second, with the bounds
	// that hold the true value with 95 % confidence.
	LeakBytesPerSecond  Bounds `json:"leak_bytes_per_second"`
	LeakBlocksPerSecond Bounds `json:"leak_blocks_per_second"`
	// MaturitySeconds is the age from which windows count for this stack. It is that of the
	// Sampling, or more where the content of most survivors changed or where other blocks
	// lived long.
	MaturitySeconds float64 `json:"maturity_seconds"`
	// Survivors are the observed blocks that are at least MaturitySeconds old and not known to
	// be freed; they come from SurvivorWindows windows. Active are the survivors whose content
	// changed. Young are the younger blocks. All three are counts, not estimates.
	Survivors       Sum `json:"survivors"`
	SurvivorWindows int `json:"survivor_windows"`
	Active          Sum `json:"active"`
	Young           Sum `json:"young"`
	// AllocationsPerSecond is the rate while windows were open. Survival is the fraction of
	// those allocations that is not known to be freed.
	AllocationsPerSecond float64 `json:"allocations_per_second"`
	Survival             float64 `json:"survival"`
	OldestSeconds        float64 `json:"oldest_seconds"`
}

// Bounds are an estimate and its confidence bounds.
type Bounds struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}
