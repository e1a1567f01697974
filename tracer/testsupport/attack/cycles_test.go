//go:build attack

package attack

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// randomArgs returns the arguments of one of memtrace's ways to trace, with random options.
func (s *scene) randomArgs(pid int) []string {
	r := s.rng
	args := []string{"-p", strconv.Itoa(pid), "-f", pick(r, "text", "json", "folded", "pprof")}
	switch r.IntN(5) {
	case 0:
		args = append([]string{"grow"}, args...)
		return args
	case 1:
		args = append(args, "--max-overhead", pick(r, "0.1", "20", "100"))
	case 2: // the default way
	default:
		args = append(args, "--exact")
	}
	if s.chance(2) {
		args = append(args, "--ring-size", pick(r, "4k", "64k", "1M", "32M"))
	}
	if s.chance(2) {
		args = append(args, "--stack-depth", strconv.Itoa(1+r.IntN(127)))
	}
	if s.chance(3) {
		args = append(args, "-T", strconv.Itoa(r.IntN(5)))
	}
	if s.chance(3) {
		args = append(args, "--min-size", strconv.Itoa(r.IntN(1000)))
	}
	return args
}

// perhapsFollowing has every third memtrace hold the target by ptrace, too.
func (s *scene) perhapsFollowing(args []string) []string {
	if s.chance(3) {
		args = append(args, "--follow")
	}
	return args
}

// onBusy runs rounds on one busy target, and on a new one if that came to harm.
func (s *scene) onBusy(round func(*target)) {
	var p *target
	for s.next() {
		// The target outlives the round.
		if p == nil {
			keep := s.cleanups
			s.cleanups = nil
			p = s.startBusy()
			s.cleanups = keep
			if p == nil {
				return
			}
		}
		round(p)
		if !p.works() {
			p.kill()
			p = nil
			continue
		}
		s.checkText(p.pid())
	}
	if p != nil {
		p.kill()
	}
}

func attachAndDetach(s *scene) {
	s.onBusy(func(p *target) {
		args := s.perhapsFollowing(s.randomArgs(p.pid()))
		bySignal := s.chance(2)
		if !bySignal {
			args = append(args, "-d", fmt.Sprint(s.within(time.Second)+10*time.Millisecond))
		}
		m := s.startTool(args...)
		if !m.waitReady() {
			m.wait()
			s.failf("memtrace refuses: %s: %s", m.args(), m.refusal())
			return
		}
		if bySignal {
			time.Sleep(s.within(time.Second))
			m.stop()
		} else {
			m.wait()
		}
		// Folded stacks are empty if no block is old enough.
		if m.code() != 0 || m.stdout.Len() == 0 && !slices.Contains(args, "folded") {
			s.failf("no report: %s: %s", m.args(), m.refusal())
		}
		s.count("cycles", 1)
	})
}

func killTool(s *scene) {
	s.onBusy(func(p *target) {
		m := s.startTool(s.perhapsFollowing(s.randomArgs(p.pid()))...)
		if s.chance(2) { // otherwise while it attaches
			m.waitReady()
		}
		for end := time.Now().Add(s.within(500 * time.Millisecond)); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			m.note()
		}
		switch s.rng.IntN(6) {
		case 0:
			m.stop()
		case 1:
			m.early = !m.isReady()
			m.signal(syscall.SIGTERM)
		case 2: // without a report
			m.killed = true
			m.signal(syscall.SIGINT)
			time.Sleep(s.within(50 * time.Millisecond))
			m.signal(syscall.SIGINT)
		default:
			m.killed = true
			m.signal(syscall.SIGKILL)
		}
		m.wait()
		s.count("kills", 1)
	})
}

func killTarget(s *scene) {
	for s.next() {
		p := s.startBusy()
		if p == nil {
			return
		}
		p.expendable = true
		m := s.startTool(s.randomArgs(p.pid())...)
		ready := s.chance(2) && m.waitReady()
		time.Sleep(s.within(300 * time.Millisecond))
		m.note()
		p.signal(pick(s.rng, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV))
		m.wait()
		if ready && m.code() != 0 {
			s.failf("no report of a target that ended: %s: %s", m.args(), m.refusal())
		}
		s.count("kills", 1)
	}
}

func stopAndContinue(s *scene) {
	s.onBusy(func(p *target) {
		quit, done := make(chan struct{}), make(chan struct{})
		pause, pauseAfter := s.within(300*time.Millisecond), s.within(100*time.Millisecond)
		go func() {
			defer close(done)
			for {
				p.signal(syscall.SIGSTOP)
				time.Sleep(pause)
				p.signal(syscall.SIGCONT)
				s.count("stops", 1)
				select {
				case <-quit:
					return
				case <-time.After(pauseAfter):
				}
			}
		}()
		m := s.startTool(s.randomArgs(p.pid())...)
		if m.waitReady() {
			time.Sleep(s.within(500 * time.Millisecond))
		}
		m.stop()
		if m.code() != 0 {
			s.failf("no report: %s: %s", m.args(), m.refusal())
		}
		close(quit)
		<-done
	})
}
