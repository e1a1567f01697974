package focus

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// Places from which blocks of a wanted size may come are probed, and no others. They are met as often as
// they return a block.
func TestProbesWhatFits(t *testing.T) {
	for _, older := range []probe.Older{{}, {SingleUprobes: true}} {
		p := start(t, older, nil)
		if p.State() != nil {
			t.Errorf("%+v before anything was wanted", p.State())
		}
		p.Want(func(asked uint64) bool { return asked == 88 })
		p.until("probed", func(s *report.HeapFocus) bool { return s.Seconds > 0 })
		if got, want := p.probes(), []string{"rare", "warm"}; !slices.Equal(sorted(got), want) {
			t.Errorf("%q have a probe, not %q: %+v", got, want, p.State())
		}
		for range 3 {
			p.tell("rare")
			p.tell("other")
		}
		p.until("met", func(s *report.HeapFocus) bool { return s.Calls == 3 })
		// What was wanted before stays in place, and what is wanted besides is added.
		p.Want(func(asked uint64) bool { return asked == 88 || asked == 200 })
		p.until("probed", func(*report.HeapFocus) bool { return len(p.probes()) == 3 })
		s := p.State()
		if s.Probed == 0 || older.SingleUprobes != (s.NoRoom > 0) || s.Probed+s.OtherSizes+s.NoRoom != s.Places || s.Places < 100 {
			t.Errorf("%+v", s)
		}
	}
}

// Nothing is asked of the kernel once Stop has returned, whatever was being done and is wanted later.
func TestStop(t *testing.T) {
	p := start(t, probe.Older{}, nil)
	k := &slowKernel{Kernel: p.cfg.Kernel}
	p.cfg.Kernel = k
	p.Want(func(asked uint64) bool { return asked == 88 })
	for k.asking.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.Stop()
	if k.asking.Load() != 0 {
		t.Error("the kernel is being asked after Stop")
	}
	idle := New(p.cfg)
	idle.Stop()
	idle.Want(func(uint64) bool { return true })
	time.Sleep(10 * time.Millisecond)
	if k.limited.Load() != 1 {
		t.Error("work began after Stop")
	}
}

// slowKernel takes its time to say how often places were met.
type slowKernel struct {
	Kernel
	asking, limited atomic.Int32
}

func (k *slowKernel) LimitReturns(most uint32) error {
	k.limited.Add(1)
	return k.Kernel.LimitReturns(most)
}

func (k *slowKernel) ReturnsMet() (met, strays uint64, err error) {
	k.asking.Add(1)
	defer k.asking.Add(-1)
	time.Sleep(100 * time.Millisecond)
	return k.Kernel.ReturnsMet()
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// A place that nobody knew to be met often is taken away, and the others stay. What it has cost until
// then is told, and is little.
func TestTakesHotPlacesAway(t *testing.T) {
	testprog.Long(t)
	p := start(t, probe.Older{}, nil)
	p.Want(func(asked uint64) bool { return asked == 88 })
	p.until("probed", func(s *report.HeapFocus) bool { return s.Seconds > 0 })
	time.Sleep(2 * briskTime) // it is looked at steadily
	const calls = 3_000_000
	began := time.Now()
	p.tell("warm 3000000")
	took := time.Since(began)
	p.until("taken away", func(s *report.HeapFocus) bool { return s.TooOften == 1 })
	if got := p.probes(); !slices.Equal(got, []string{"rare"}) {
		t.Errorf("%q have a probe: %+v", got, p.State())
	}
	s := p.State()
	t.Logf("%d of %d calls met the probe, and all took %v: %+v", s.CallsTooOften, calls, took, s)
	if s.CallsTooOften < p.meter.each || s.CallsTooOften > calls/2 {
		t.Errorf("%d calls met it", s.CallsTooOften)
	}
	p.tell("rare")
	p.until("met", func(s *report.HeapFocus) bool { return s.Calls-s.CallsTooOften >= 1 })
	if s := p.State(); s.Calls-s.CallsTooOften > 1 {
		t.Errorf("%+v", s)
	}
}

// What windows have seen met often is never probed.
func TestLeavesOutWhatWindowsSaw(t *testing.T) {
	var p *started
	p = start(t, probe.Older{}, func() map[uint64]float64 {
		rates := make(map[uint64]float64)
		for _, m := range p.order {
			for _, s := range m.sites {
				if m.Path == p.path && s.asked != 88 {
					rates[s.addr] = 1000
				}
			}
		}
		return rates
	})
	p.Want(func(uint64) bool { return true })
	p.until("probed", func(s *report.HeapFocus) bool { return s.Seconds > 0 })
	if got := p.probes(); !slices.Equal(got, []string{"rare"}) || p.State().TooOften != 2 || p.State().NoRoom != 0 {
		t.Errorf("%q have a probe: %+v", got, p.State())
	}
}

// A program that the process executes maps the same files elsewhere, and has nothing to do with the places
// of the one before. Its probes go, and its own come with what is wanted next.
func TestProcessExecutes(t *testing.T) {
	testprog.Long(t)
	p := start(t, probe.Older{}, nil)
	p.Want(func(asked uint64) bool { return asked == 88 })
	p.until("probed", func(s *report.HeapFocus) bool { return s.Seconds > 0 })
	p.Say("exec")
	if got := p.Line(); got != "ready places" {
		t.Fatal(got)
	}
	if got := p.probes(); len(got) != 2 {
		t.Fatalf("%q have a probe after the exec", got)
	}
	began := time.Now()
	p.tell("warm 8000000")
	t.Logf("took %v", time.Since(began))
	for end := time.Now().Add(time.Minute); len(p.probes()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q have a probe: %+v", p.probes(), p.State())
		}
	}
	p.Want(func(asked uint64) bool { return asked == 88 })
	p.until("probed", func(s *report.HeapFocus) bool { return len(p.probes()) == 2 })
	p.tell("rare")
	p.until("met", func(s *report.HeapFocus) bool { return s.Calls > 0 })
}

// A process that ends meanwhile is no reason for more than to end.
func TestProcessEnds(t *testing.T) {
	p := start(t, probe.Older{}, nil)
	p.Want(func(asked uint64) bool { return asked == 88 })
	p.until("probed", func(s *report.HeapFocus) bool { return s.Seconds > 0 })
	p.Kill()
	p.Want(func(asked uint64) bool { return asked == 200 })
	for end := time.Now().Add(time.Minute); p.State().Unread == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	if p.State().Unread == "" {
		t.Errorf("%+v", p.State())
	}
}
