package tracer

import (
	"time"

	"memtrace/tracer/book/sample"
	"memtrace/tracer/event"
)

// Config.MaxMemory is kept by limiting what is remembered of call stacks, of which programs
// can have any number (see book.Book.KeepWithin). They get a quarter of the room, because a
// report takes some more memory for each of them.
const (
	stackShare  = 4 // one part in so many is for stacks
	sampleShare = 2 // and one in so many for the candidates of windows of time
	// programMemory is what memtrace takes that is not data: mostly its text.
	programMemory = 24 << 20
	// blockMemory is what a live block may take besides.
	blockMemory = 64
	// forgetGrace is the grace period for threads that took a stack for known and have yet
	// to report it.
	forgetGrace = 500 * time.Millisecond
)

// room is what Config.MaxMemory leaves for data. The ring buffer is mapped twice. A large ring
// takes at most half of MaxMemory here, so that the room is never negative.
func (c *Config) room() uint64 {
	return c.MaxMemory - programMemory - min(2*uint64(c.RingSize), c.MaxMemory/2)
}

// stackRoom is what may be remembered of stacks, in bytes.
func (c *Config) stackRoom() uint64 {
	if c.stackMemory > 0 {
		return c.stackMemory
	}
	return c.room() / stackShare
}

// sampleConfig bounds what is kept of the windows of a process.
func (t *Tracer) sampleConfig(pid uint32) sample.Config {
	room := t.cfg.room() / sampleShare / uint64(max(len(t.processes.PIDs()), 1)) / sample.CandidateBytes
	p := t.processes.Of(pid) // nil if it has left just now
	return sample.Config{SkipMapped: p != nil && p.HasGlibcMalloc(), MaxCandidates: int(min(room, 1<<20))}
}

// forgetting is the progress of forgetting stacks.
type forgetting struct {
	// begun is when the probes were made to send them again, zero if none are being forgotten.
	begun time.Time
	// until is how far the reader must get (bytes consumed), 0 while that is not known.
	until uint64
}

// keepWithin gives up what is too much. caughtUp says that the ring has just been read to its
// end.
func (s *sink) keepWithin(caughtUp bool) error {
	forget := s.KeepWithin(s.cfg.stackRoom())
	if !s.forgetting.begun.IsZero() {
		s.finishForgetting(caughtUp)
		return nil
	}
	if forget == nil {
		return nil
	}
	return s.forget(forget)
}

// forget makes the probes send stacks again.
func (s *sink) forget(ids map[event.StackID]struct{}) error {
	if err := s.probes.Unsend(ids); err != nil {
		return err
	}
	// This must follow Unsend. Otherwise a walk that finds one of them sent would be
	// remembered.
	if s.tables != nil {
		if err := s.tables.Announce(); err != nil {
			return err
		}
	}
	s.BeginForgetting(ids)
	s.forgetting = forgetting{begun: time.Now()}
	return nil
}

// finishForgetting drops, once it is time, the stacks that were neither counted nor sent
// again.
func (s *sink) finishForgetting(caughtUp bool) {
	f := &s.forgetting
	if time.Since(f.begun) < forgetGrace {
		return
	}
	if f.until == 0 {
		f.until = s.stream.Consumed() + uint64(s.stream.Pending())
		return
	}
	if !caughtUp && s.stream.Consumed() < f.until {
		return
	}
	s.Forget()
	s.forgetting = forgetting{}
}
