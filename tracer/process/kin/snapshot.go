package kin

import (
	"cmp"
	"slices"
	"time"

	"memtrace/tracer/trend"
)

// Snapshot is what a Watch knows at one moment. The zero Snapshot knows nothing.
type Snapshot struct {
	// Start and End are the times of the first and the last poll. Polls is how often the
	// process was looked at, Looks how often its descendants were.
	Start, End   time.Time
	Polls, Looks int
	// Gone: the process has ended. Everything here is from the last poll before that.
	Gone bool

	// Children are the descendants that are watched, and of those that have ended the ones that
	// grew most. They are sorted: those that grow beyond doubt come first, then by growth.
	Children []Child
	// Living is how many descendants there are, watched or not. Truncated: there may be more.
	// Unwatched is how many of them are not watched. Zombies is how many others have ended
	// without their parent having asked for their exit status.
	Living, Unwatched, Zombies int
	Truncated                  bool
	// Ended is how many children have ended that were watched, EndedGrew how many of these had
	// grown, and EndedGrowth by how many bytes in all.
	Ended, EndedGrew, EndedGrowth uint64

	Threads Threads

	// State is the letter of the process's state now, see proc_pid_stat(5). Stopped is how many
	// of the Polls found it stopped by a signal (T), Traced how many by a tracer (t). A tracer
	// may hold single threads: the state is that of the first.
	State           byte
	Stopped, Traced int
	// LongestHeld is the longest time from a poll that found it stopped or traced to the first
	// one that did not, or else the last. LongestGap is the longest time between two polls: a
	// shorter stop may have been missed.
	LongestHeld, LongestGap time.Duration
}

// Threads is how many threads the process has.
type Threads struct {
	First, Now int
	// Fit says how the number develops.
	Fit trend.Fit
}

// Held reports whether the process is stopped now.
func (s *Snapshot) Held() bool { return s.State == 'T' || s.State == 't' }

// Growing returns how many living children grow (see Child.Grows), and their bytes per second.
func (s *Snapshot) Growing() (n int, bytesPerSecond float64) {
	for i := range s.Children {
		if c := &s.Children[i]; !c.Exited && c.Grows() {
			n++
			bytesPerSecond += c.Rate()
		}
	}
	return n, bytesPerSecond
}

// Snapshot looks once more, unless the process has ended or Settle was called, and returns what
// is known.
func (w *Watch) Snapshot(now time.Time) Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poll(now, true)
	s := w.last
	s.Unwatched = s.Living - len(w.watched)
	s.Ended, s.EndedGrew, s.EndedGrowth = w.ended.n, w.ended.grew, w.ended.growth
	s.Threads.Fit = w.threads.Fit()
	s.Children = slices.Clone(w.ended.kept)
	for _, c := range w.watched {
		k := c.known(w.stack)
		k.Past = w.ended.past[kind{k.Command, k.Forked}]
		s.Children = append(s.Children, k)
	}
	slices.SortFunc(s.Children, func(a, b Child) int {
		if a.Growing != b.Growing {
			if a.Growing {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Growth, a.Growth), cmp.Compare(b.Resident, a.Resident), cmp.Compare(a.PID, b.PID))
	})
	return s
}
