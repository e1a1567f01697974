package tracer

import (
	"context"
	"errors"
	"math"
	"time"

	"memtrace/tracer/heap"
	"memtrace/tracer/probe"
	"memtrace/tracer/sample"
	"memtrace/tracer/stream"
	"memtrace/tracer/target"
	"memtrace/tracer/vm"
	"memtrace/tracer/window"
)

// newLoop makes the loop of windows, where tracing may cost only so much.
func (t *Tracer) newLoop(costs probe.Costs) *window.Loop {
	cfg := window.Config{
		MaxOverhead: t.cfg.MaxOverhead, MaxStall: t.cfg.MaxStall, Costs: costs,
		SomeSizes: t.cfg.MinSize > 0 || t.cfg.MaxSize != math.MaxUint64,
		Delay:     stream.PollInterval, OwnTime: ownTime, Logf: t.cfg.Logf, GiveUp: t.giveUp,
	}
	return window.New(cfg, windowProbes{t}, windowBook{t}, newChecker(t))
}

// windowProbes are the probes as the loop of windows knows them.
type windowProbes struct{ *Tracer }

// Attach puts the probes of a window in place, with the gate shut.
func (t windowProbes) Attach() (births, ends probe.Links, err error) {
	t.attaching.Lock()
	defer t.attaching.Unlock()
	if err := t.probes.NextGeneration(); err != nil {
		return nil, nil, err
	}
	for _, p := range t.procs {
		// What a new program maps is not known yet, and its anchor is not there.
		p.unwatched = p.gone() || !p.target.Runs()
		if p.unwatched {
			continue
		}
		for _, o := range p.target.Objects {
			l, lacks, attachErr := t.attachReaching(p, o, probe.Ends)
			ends = append(ends, l...)
			if attachErr == nil {
				var more []target.Place
				l, more, attachErr = t.attachReaching(p, o, probe.Births)
				births, lacks = append(births, l...), append(lacks, more...)
			}
			if attachErr != nil && !errors.Is(attachErr, target.ErrNoProcess) {
				err = errors.Join(err, attachErr)
			}
			if len(lacks) > 0 {
				t.lack(p, describeLacks(lacks, otherFile))
				p.unwatched = true // what was seen of it would be no evidence
			}
		}
	}
	return births, ends, err
}

// LeaveExact begins anew: what was known of blocks says nothing once their frees go unseen,
// and which system calls are the allocator's is not known without its probes.
func (t windowProbes) LeaveExact() probe.Links {
	t.attaching.Lock()
	defer t.attaching.Unlock()
	mapped := make(map[uint32]mappedNow)
	for pid, p := range t.procs {
		initial, err := readMappedNow(pid)
		if err != nil && !p.gone() {
			t.cfg.Logf("%v: growth that was there before counts as new", err)
		}
		mapped[pid] = initial
	}
	if err := errors.Join(t.probes.SetGate(probe.GateCalls), t.probes.SetWindowed()); err != nil {
		t.cfg.Logf("the stacks behind growth are not all known: %v", err)
	}
	t.mu.Lock()
	t.windowed = true
	t.stream.SetPace(stream.Paused)
	t.windowsSince = now()
	t.heap = heap.New(heap.Config{Older: t.cfg.Older})
	t.vm = vm.NewGrowthLedger()
	var all probe.Links
	for pid, p := range t.procs {
		t.vm.Begin(pid, mapped[pid].brk, mapped[pid].list)
		p.sample = sample.New(t.sampleConfig(p))
		p.probed.Store(false)
		all = append(all, p.links...)
		p.links = nil
	}
	t.mu.Unlock()
	return all
}

// Close takes probes away, or keeps them where a debugger may have found them.
func (t windowProbes) Close(l probe.Links) error { return t.closeProbes(l) }

// SetGate opens or shuts the gate.
func (t windowProbes) SetGate(g probe.Gate) error { return t.probes.SetGate(g) }

// LeftAlone waits until no debugger is attached.
func (t windowProbes) LeftAlone(ctx context.Context) bool {
	for t.debugged() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(debuggerInterval):
		}
	}
	if err := t.closeKept(); err != nil {
		t.cfg.Logf("take probes away: %v", err)
	}
	return ctx.Err() == nil
}

// Gone reports whether all processes have ended.
func (t windowProbes) Gone() bool {
	for _, p := range t.procs {
		if !p.gone() {
			return false
		}
	}
	return true
}
