package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
)

const (
	// pulse is how often the clock is read. It is how exactly the length of a stop is known.
	pulse = 200 * time.Millisecond
	// leastStop is the shortest stop that is told: on a busy machine a pulse may be late.
	leastStop = 3 * pulse
	// together is how far SIGCONT and the jump of the clock that belongs to it may be apart.
	together = time.Second
	// lateSignal is how long a report waits for the SIGCONT of a jump.
	lateSignal = 200 * time.Millisecond
)

// stops knows how long memtrace itself was stopped, by Ctrl-Z or SIGSTOP. While it is stopped
// it gets no signal and reads no clock. So a stop is a SIGCONT with a jump of the clock.
type stops struct {
	mu sync.Mutex
	// last is when the clock was last read.
	last time.Time
	// jump is the last jump, until its SIGCONT comes; jumped is when it ended. continued is
	// the time of a SIGCONT until its jump is seen.
	jump              time.Duration
	jumped, continued time.Time

	count int
	total time.Duration
}

// watchStops watches for stops until end is called.
func watchStops() (s *stops, end func()) {
	s = &stops{last: time.Now()}
	signals, quit := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, unix.SIGCONT)
	tick := time.NewTicker(pulse)
	go func() {
		for {
			select {
			case <-signals:
				s.beat(time.Now(), true)
			case <-tick.C:
				s.beat(time.Now(), false)
			case <-quit:
				return
			}
		}
	}()
	return s, sync.OnceFunc(func() { signal.Stop(signals); tick.Stop(); close(quit) })
}

// beat reads the clock. continued means that SIGCONT came.
func (s *stops) beat(now time.Time, continued bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gap := now.Sub(s.last); gap >= leastStop {
		s.jump, s.jumped = gap, now
	}
	s.last = now
	if continued {
		s.continued = now
	}
	if s.jump > 0 && !s.continued.IsZero() && s.jumped.Sub(s.continued).Abs() < together {
		s.count++
		s.total += s.jump
		s.jump, s.continued = 0, time.Time{}
	}
}

// unclear reports whether there was a jump a moment ago whose SIGCONT may still come.
func (s *stops) unclear() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jump > 0 && s.last.Sub(s.jumped) < lateSignal
}

// settle takes up a stop that ended just now.
func (s *stops) settle() {
	for s.beat(time.Now(), false); s.unclear(); s.beat(time.Now(), false) {
		time.Sleep(lateSignal / 20)
	}
}

// String tells the stops so far; it is empty if there were none.
func (s *stops) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.count {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("memtrace was stopped for %.1f s (Ctrl-Z or SIGSTOP).", s.total.Seconds())
	}
	return fmt.Sprintf("memtrace was stopped %d times, for %.1f s in all (Ctrl-Z or SIGSTOP).", s.count, s.total.Seconds())
}

// note says of a report what follows from the stops, "" if there were none.
func (s *stops) note(r *report.Report) string {
	text := s.String()
	if text == "" {
		return ""
	}
	what := "calls"
	if r.Mode == report.ModeGrowth {
		what = "system calls"
	}
	switch {
	case r.Mode == report.ModeWindows:
		text += " A window that was open then does not count, and no other was opened."
	case r.Events.Lost.Any():
		text += fmt.Sprintf(" The kernel went on recording %s until the ring buffer was full; what is lost is counted (a larger --ring-size loses less).", what)
	default:
		text += fmt.Sprintf(" The kernel went on recording %s, and none was lost.", what)
	}
	return text + " " + unpolled
}

// unpolled is what a stop means for the address space.
const unpolled = "The address space was not looked at in that time."
