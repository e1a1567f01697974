package report

// Diagnosis says what the figures of a report mean. The text form takes its sentences from
// here, so that no sentence can say more than what was looked at.
type Diagnosis struct {
	// Answer is the first line of the text form.
	Answer string `json:"answer"`
	// Findings are sorted, what matters most first. There is at least one.
	Findings []Finding `json:"findings"`
	// Accounts divide what grew, one for each kind of memory, largest growth first.
	Accounts []Account `json:"accounts"`
	// Through is the deepest frame that all leaking stacks have in common, if there are at
	// least two and they have one.
	Through *Frame `json:"through,omitempty"`
	// Deadline is when the nearest limit is reached, nil where nothing grows steadily or no
	// limit is known.
	Deadline *Deadline `json:"deadline,omitempty"`
}

// FindingKind says what a Finding is.
type FindingKind string

// The kinds of findings.
const (
	// Leak is stacks whose blocks or mappings keep adding up. ActiveLeak is the same where the
	// program still writes to most of them, so that something still refers to them.
	Leak       FindingKind = "leak"
	ActiveLeak FindingKind = "active_leak"
	// CacheFills is stacks that grew and then stopped. CacheReplaces is stacks that allocate as
	// much as is freed of what was there before the trace.
	CacheFills    FindingKind = "cache_fills"
	CacheReplaces FindingKind = "cache_replaces"
	// NeverFreed is what a process that has ended had not freed, where it did not grow
	// steadily.
	NeverFreed FindingKind = "never_freed"
	// KeepsFree is free memory that the allocator keeps, by fragmentation or since a peak.
	KeepsFree FindingKind = "keeps_free"
	// UnjoinedThreads is the stacks of threads that have ended and were not joined.
	UnjoinedThreads FindingKind = "unjoined_threads"
	// Reserved is addresses without memory of the process's own.
	Reserved FindingKind = "reserved"
	// Pool is memory that a library or an interpreter takes for a pool of its own, so that the
	// stack is of whoever needed more room in it.
	Pool FindingKind = "pool"
	// UnknownAllocator is growth that no allocation function accounts for that was traced.
	UnknownAllocator FindingKind = "unknown_allocator"
	// Unexplained is growth that no stack, no free memory and no mapping accounts for.
	Unexplained FindingKind = "unexplained"
	// FilePages is growth in pages of mapped files, which the kernel can take back.
	FilePages FindingKind = "file_pages"
	// Children is growth of child processes.
	Children FindingKind = "children"
	// Held is a process that was stopped or held by a debugger.
	Held FindingKind = "held"
	// Nothing means that nothing grows. TooShort means that this cannot be told yet.
	Nothing  FindingKind = "nothing"
	TooShort FindingKind = "too_short"
)

// FindingKinds are all.
var FindingKinds = []FindingKind{
	Leak, ActiveLeak, CacheFills, CacheReplaces, NeverFreed, KeepsFree, UnjoinedThreads, Reserved, Pool,
	UnknownAllocator, Unexplained, FilePages, Children, Held, Nothing, TooShort,
}

// Finding is one thing that a report shows.
type Finding struct {
	Kind FindingKind `json:"kind"`
	// Confidence is certain, likely or possible.
	Confidence string `json:"confidence"`
	// BytesPerSecond is how fast the memory in question grows, 0 where it does not. Its bounds
	// are equal to the value where everything was counted.
	BytesPerSecond Bounds `json:"bytes_per_second"`
	// Bytes is how much memory is in question.
	Bytes uint64 `json:"bytes"`
	// Blocks is how many blocks those are, of a finding on a process that has ended.
	Blocks uint64 `json:"blocks,omitempty"`
	// Stacks are the IDs of the stacks in question, the largest first. There may be more in
	// StacksTotal than in Stacks.
	Stacks      []string `json:"stacks"`
	StacksTotal int      `json:"stacks_total"`
	// Memory is what grows in words, where that has no stack or is a pool's.
	Memory string `json:"memory,omitempty"`
	// Culprit is the function of the program that is to blame for most of it, Caller its
	// caller. Share is the part of BytesPerSecond, or else of Bytes, that comes from Culprit, 0
	// to 1.
	Culprit *Frame  `json:"culprit,omitempty"`
	Caller  *Frame  `json:"caller,omitempty"`
	Share   float64 `json:"share"`
	// Children are the processes in question, of a finding of that kind.
	Children []Child `json:"children,omitempty"`
	// Text is the finding in one sentence. Evidence is what it rests on, Next what to do, both
	// in words.
	Text     string   `json:"text"`
	Evidence []string `json:"evidence,omitempty"`
	Next     string   `json:"next,omitempty"`
}

// Child is a child process of the traced one, or a child's child.
type Child struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
	// ResidentBytes is its resident memory now, GrowthBytes the change since it was first seen,
	// and BytesPerSecond the slope.
	ResidentBytes  uint64  `json:"resident_bytes"`
	GrowthBytes    int64   `json:"growth_bytes"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	// Growing: it grows beyond doubt.
	Growing bool `json:"growing"`
	// Seconds is how long it was watched.
	Seconds float64 `json:"seconds"`
	Exited  bool    `json:"exited,omitempty"`
}

// Account divides what memory of one kind grew by.
type Account struct {
	// Kind is heap, mappings, files, shared or other. Label is the same in words.
	Kind  string `json:"kind"`
	Label string `json:"label"`
	// Classes are those of Region that it covers.
	Classes []string `json:"classes"`
	// GrewBytes is the change since the trace began. The Terms add up to it.
	GrewBytes int64         `json:"grew_bytes"`
	Terms     []AccountTerm `json:"terms"`
}

// TermKind says what an AccountTerm is.
type TermKind string

// The kinds of terms.
const (
	// TermLeaks is what stacks that keep growing added, TermPossible the same of stacks of
	// which that is not certain, TermFilled what those added that grew and stopped.
	TermLeaks    TermKind = "leaks"
	TermPossible TermKind = "possible"
	TermFilled   TermKind = "filled"
	// TermPool is what stacks added that fill a pool of a library or an interpreter.
	TermPool TermKind = "pool"
	// TermSuppressed is what stacks added that suppressions hide.
	TermSuppressed TermKind = "suppressed"
	// TermYoung is blocks younger than Report.OlderSeconds.
	TermYoung TermKind = "young"
	// TermOldFreed is blocks from before the trace that were freed. It is below 0.
	TermOldFreed TermKind = "old_freed"
	// TermKeptFree is the change of what the allocator keeps free.
	TermKeptFree TermKind = "kept_free"
	// TermRest is what remains.
	TermRest TermKind = "rest"
)

// AccountTerm is a part of an account.
type AccountTerm struct {
	Kind  TermKind `json:"kind"`
	Label string   `json:"label"`
	// Known is false where nothing was looked at that could tell. Bytes is then 0.
	Known bool  `json:"known"`
	Bytes int64 `json:"bytes"`
	// AtLeast means that the true value may be larger, Estimated that it was not counted.
	AtLeast   bool `json:"at_least,omitempty"`
	Estimated bool `json:"estimated,omitempty"`
	// Percent is the part of all that was added. Those of the terms above 0 add up to 100.
	Percent int `json:"percent"`
}

// Deadline is when memory runs out if growth goes on as it does.
type Deadline struct {
	// Text says it in words.
	Text string `json:"text"`
	// Seconds is the time from the end of the report, with bounds from those of the growth.
	// High is 0 where there is no upper bound.
	Seconds Bounds `json:"seconds"`
	// Limit is cgroup_max, cgroup_high, rlimit_as, rlimit_data, max_map_count or available.
	// LimitValue is in bytes, or in mappings for max_map_count; UsedValue is what is in use.
	Limit      string `json:"limit"`
	LimitValue uint64 `json:"limit_value"`
	UsedValue  uint64 `json:"used_value"`
	// Of is what the limit belongs to, such as the path of a cgroup.
	Of string `json:"of,omitempty"`
}

// representable returns a copy of d in which every string fits into JSON and no list is nil.
func (d *Diagnosis) representable() *Diagnosis {
	if d == nil {
		return nil
	}
	c := *d
	c.Answer, c.Through = bounded(d.Answer), d.Through.representable()
	c.Findings = append([]Finding{}, d.Findings...)
	for i := range c.Findings {
		f := &c.Findings[i]
		f.Confidence, f.Memory, f.Text, f.Next = bounded(f.Confidence), bounded(f.Memory), bounded(f.Text), bounded(f.Next)
		f.Stacks, f.Evidence = append([]string{}, boundedAll(f.Stacks)...), boundedAll(f.Evidence)
		f.Culprit, f.Caller = f.Culprit.representable(), f.Caller.representable()
		f.Children = append([]Child(nil), f.Children...)
		for k := range f.Children {
			f.Children[k].Command = bounded(f.Children[k].Command)
		}
	}
	c.Accounts = append([]Account{}, d.Accounts...)
	for i := range c.Accounts {
		a := &c.Accounts[i]
		a.Kind, a.Label = bounded(a.Kind), bounded(a.Label)
		a.Classes = append([]string{}, boundedAll(a.Classes)...)
		a.Terms = append([]AccountTerm{}, a.Terms...)
		for k := range a.Terms {
			a.Terms[k].Label = bounded(a.Terms[k].Label)
		}
	}
	if d.Deadline != nil {
		e := *d.Deadline
		e.Text, e.Limit, e.Of = bounded(e.Text), bounded(e.Limit), bounded(e.Of)
		c.Deadline = &e
	}
	return &c
}

// representable returns a copy of f in which every string fits into JSON; f may be nil.
func (f *Frame) representable() *Frame {
	if f == nil {
		return nil
	}
	return &representableFrames([]Frame{*f})[0]
}
