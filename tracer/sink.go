package tracer

import (
	"slices"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
)

// lookInterval is how often memtrace looks for processes that died without an event.
const lookInterval = 250 * time.Millisecond

// sink hands each event to the book, and to the processes what changes them. It belongs to the
// stream.
type sink struct {
	*book.Book
	*Tracer
	// looked is when processes were last checked for their end.
	looked time.Time
	// ended are the followed processes that have ended and are to be reported on.
	ended      []uint32
	forgetting forgetting
}

func (s *sink) Apply(ev *event.Event) {
	s.processes.Apply(ev)
	s.Book.Apply(ev)
	if ev.Kind == event.Exit && s.cfg.joined() && !slices.Contains(s.cfg.PIDs, int(ev.PID)) {
		s.ended = append(s.ended, ev.PID)
	}
	if s.cfg.slowReader > 0 {
		time.Sleep(s.cfg.slowReader)
	}
}

func (s *sink) ApplySpilled(ev *event.Event) {
	s.Book.ApplySpilled(ev)
	s.processes.ApplySpilled(ev)
}

func (s *sink) Count(total event.Counters) {
	if s.Book.Count(total) {
		s.processes.LookForModules()
	}
}

// Between keeps memory within its limits, and looks at processes at intervals.
func (s *sink) Between(caughtUp bool) error {
	s.processes.Read(caughtUp)
	if err := s.keepWithin(caughtUp); err != nil {
		return err
	}
	for _, pid := range s.ended { // what spilled of them has been applied
		s.followed.queue.Add(pid)
	}
	s.ended = s.ended[:0]
	return s.lookAtProcesses()
}

// lookAtProcesses ends the processes that died without an event: killed after they were looked
// up but before they were attached to. It has page faults sampled where memory grows unexplained.
func (s *sink) lookAtProcesses() error {
	if time.Since(s.looked) < lookInterval {
		return nil
	}
	s.looked = time.Now()
	missed, err := s.probes.Missed()
	if err != nil {
		return err
	}
	s.CountMissed(missed)
	for _, p := range s.processes.Gone() {
		s.End(p.PID(), p.Opened(), event.Now())
	}
	if s.probes.LateFaults && s.Unexplained(s.processes.ResidentGrowth()) {
		s.SampleFaults()
		s.processes.SizePages()
		return s.probes.AttachFaults()
	}
	return nil
}
