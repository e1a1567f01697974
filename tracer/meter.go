package tracer

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// seen counts the calls that probes reported.
type seen struct {
	allocs, frees uint64
	// late are the frees from the time tail on (ns), which are not in frees.
	late, tail uint64
	// alarm is at how many calls the Tracer's alarm goes off.
	alarm uint64
}

// meter measures a phase from its making on.
type meter struct {
	t          *Tracer
	start      time.Time
	cpu, own   time.Duration
	seen       seen
	lostAllocs uint64
	spilled    uint64
}

func (s *sampler) meter() *meter {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return &meter{
		t: s.t, start: time.Now(), cpu: s.t.targetTime(), own: ownTime(), seen: s.t.seen,
		lostAllocs: s.t.counters.LostAlloc, spilled: s.t.counters.Spilled,
	}
}

// read returns what was seen since the meter was made.
func (m *meter) read() phase {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	// A call that seemed lost may have been taken back (take_back in bpf/standing.h).
	lost := max(m.t.counters.LostAlloc, m.lostAllocs) - m.lostAllocs
	p := phase{
		took:   time.Since(m.start),
		allocs: m.t.seen.allocs - m.seen.allocs + lost,
		frees:  m.t.seen.frees - m.seen.frees + m.t.counters.Spilled - m.spilled,
		own:    ownTime() - m.own,
	}
	p.busy = float64(m.t.targetTime()-m.cpu) / float64(p.took)
	if m.t.cfg.MinSize > 0 || m.t.cfg.MaxSize != math.MaxUint64 {
		// Allocations of other sizes meet the probes too, and are not reported.
		p.allocs = max(p.allocs, p.frees)
	}
	return p
}

// late returns the frees in the tail since the meter was made.
func (m *meter) late() uint64 {
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	return m.t.seen.late - m.seen.late
}

// targetTime returns the processor time of all targets.
func (t *Tracer) targetTime() (sum time.Duration) {
	for pid, p := range t.procs {
		if used, err := processorTime(int(pid)); err == nil {
			p.cpu = used // what it was stays when the process is gone
		}
		sum += p.cpu
	}
	return sum
}

// processorTime returns what a process took of all processors until now.
func processorTime(pid int) (time.Duration, error) {
	// MAKE_PROCESS_CPUCLOCK of include/linux/posix-timers_types.h.
	const scheduled = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^uint32(pid)<<3|scheduled), &ts); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// ownTime returns memtrace's processor time.
func ownTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
