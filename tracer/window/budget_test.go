package window

import (
	"math"
	"testing"
	"time"

	"memtrace/tracer/probe"
)

func testBudget() budget {
	return budget{
		max: 0.03, stall: 50 * time.Millisecond,
		cost: probe.Costs{Alloc: 2500 * time.Nanosecond, Free: 1000 * time.Nanosecond},
	}
}

// If the target does nothing but meet probes, windows use the whole stall allowed and come as
// often as the budget permits.
func TestPlanOfBusyTarget(t *testing.T) {
	b := testBudget()
	window := phase{took: 20 * time.Millisecond, allocs: 1e6, frees: 1e6, busy: 2}
	tail := phase{took: 20 * time.Millisecond, frees: 1e6, busy: 2}
	own := 10 * time.Millisecond
	p := b.next(window, tail, 0, own)
	if p.window != 35*time.Millisecond || p.tail != 15*time.Millisecond {
		t.Errorf("window %v, tail %v, want 35ms and 15ms", p.window, p.tail)
	}
	cost := p.window + p.tail + own/2
	if part := float64(cost) / float64(p.window+p.tail+p.pause); part > b.max || part < b.max*0.8 {
		t.Errorf("pause %v: %.4f of the time is spent, %.4f may be", p.pause, part, b.max)
	}
}

// The fewer the calls, the longer the windows, but never more than twice the last one: a
// target that was asleep says little about its rate.
func TestPlanOfQuietTarget(t *testing.T) {
	b := testBudget()
	window := phase{took: 30 * time.Millisecond, busy: 0.1}
	for _, want := range []time.Duration{60 * time.Millisecond, 120 * time.Millisecond, 240 * time.Millisecond} {
		p := b.next(window, phase{took: 20 * time.Millisecond}, 0, 0)
		if p.window != want || p.tail != maxTail || p.pause != minPause {
			t.Errorf("after %v: %+v, want %v", window.took, p, want)
		}
		window.took = p.window
	}
	window.took = maxWindow
	if p := b.next(window, phase{}, 0, 0); p.window != maxWindow {
		t.Errorf("window %v, want %v", p.window, maxWindow)
	}
}

// Overspending is waited out; savings may be spent.
func TestPause(t *testing.T) {
	b := testBudget()
	const planned = 1600 * time.Millisecond
	for _, test := range []struct{ spent, next, took, least, most time.Duration }{
		{30 * time.Millisecond, 0, 2 * time.Second, 1200 * time.Millisecond, 1200 * time.Millisecond},
		{30 * time.Millisecond, 60 * time.Millisecond, 2 * time.Second, 1200 * time.Millisecond, 1200 * time.Millisecond},
		{60 * time.Millisecond, 30 * time.Millisecond, 1500 * time.Millisecond, 1500 * time.Millisecond, 1700 * time.Millisecond},
		{60 * time.Millisecond, 60 * time.Millisecond, time.Second, 3 * time.Second, 3400 * time.Millisecond},
		{time.Hour, 0, time.Second, maxPause, maxPause},
	} {
		p := plan{pause: planned, cost: test.next}
		if got := b.pause(p, test.spent, test.took); got < test.least || got > test.most {
			t.Errorf("%v spent in %v, %v to come: wait %v, want %v to %v", test.spent, test.took, test.next, got, test.least, test.most)
		}
	}
	if got := b.pause(plan{pause: minPause}, 0, time.Hour); got != minPause {
		t.Errorf("wait %v, want %v", got, minPause)
	}
	// Little of what a quiet hour saved may be spent in the minute after it.
	p := plan{pause: planned, cost: 60 * time.Millisecond}
	fast := 0
	var spent, took time.Duration
	for took = time.Hour; took < time.Hour+time.Minute; spent += p.cost {
		pause := b.pause(p, spent, took)
		if pause < planned {
			fast++
		}
		took += pause
	}
	if fast < 10 || fast > 30 {
		t.Errorf("%d pauses were shorter than planned", fast)
	}
}

func TestStalled(t *testing.T) {
	b := testBudget()
	for _, test := range []struct {
		phase phase
		want  time.Duration
	}{
		{phase{took: time.Second, allocs: 1000, frees: 1000}, 3500 * time.Microsecond},
		{phase{took: time.Second, allocs: 1000, frees: 1000, busy: 2}, 1750 * time.Microsecond},
		{phase{took: time.Second, allocs: 1000, frees: 1000, busy: 0.2}, 3500 * time.Microsecond},
		{phase{took: time.Millisecond, allocs: 1e6}, time.Millisecond},
		{phase{}, 0},
	} {
		if got := b.stalled(test.phase); got != test.want {
			t.Errorf("%+v: %v, want %v", test.phase, got, test.want)
		}
	}
	if got := b.perCall(phase{}); got != 0 {
		t.Errorf("no time costs %v", got)
	}
}

// What probes cost is waited for like all other processor time. Of a target that sleeps, it is not
// known how much of that it waits.
func TestThreads(t *testing.T) {
	for _, test := range []struct {
		busy, ready, want float64
	}{
		{0, 0, 1}, {1, 1, 1}, {2, 2, 2}, {2, 0, 2}, {0.1, 0.1, 1}, // nobody else wants a processor
		{0.25, 1, 0.25}, {1, 4, 1}, {0.001, 1, leastBusy}, // others do
		{0.1, 0.15, 0.1 / 0.15}, {0.02, 0.5, leastThreads},
	} {
		p := phase{busy: test.busy, ready: test.ready}
		if got := p.threads(); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%v busy, %v ready: %v, want %v", test.busy, test.ready, got, test.want)
		}
	}
}

// While probes come, with the gate shut, they are met less often than in the window, since each
// costs less, but not by much where the target does little else.
func TestAttaching(t *testing.T) {
	b := testBudget()
	const took = 10 * time.Millisecond
	for _, test := range []struct {
		window      phase
		least, most time.Duration
	}{
		{phase{took: 20 * time.Millisecond, allocs: 1e6, frees: 1e6}, took, took},
		{phase{took: 20 * time.Millisecond, allocs: 2857, frees: 2857}, 3 * time.Millisecond, 4 * time.Millisecond},
		{phase{took: 20 * time.Millisecond}, 0, 0},
	} {
		if got := b.attaching(took, test.window); got < test.least || got > test.most {
			t.Errorf("%+v: %v, want %v to %v", test.window, got, test.least, test.most)
		}
	}
}

func TestExceeded(t *testing.T) {
	b := testBudget() // a pair costs 3.5 µs plus 0.3 µs to read; the budget is 3 %
	const least = 1500 * time.Millisecond
	idle := phase{took: 250 * time.Millisecond}
	call := func(n uint64, busy float64) phase {
		return phase{took: 250 * time.Millisecond, allocs: n, frees: n, busy: busy}
	}
	for name, test := range map[string]struct {
		phases []phase
		want   bool
	}{
		"nothing":          {nil, false},
		"few":              {[]phase{call(1000, 1)}, false},
		"many":             {[]phase{call(13000, 1)}, true},
		"of one thread":    {[]phase{call(30000, 1), idle, idle, idle, idle, idle}, true},
		"of eight at once": {[]phase{call(30000, 8), idle, idle, idle, idle, idle}, false},
	} {
		all, got := b.exceeded(test.phases, least)
		if got != test.want {
			t.Errorf("%s: %v, %+v", name, got, all)
		}
		if want := time.Duration(len(test.phases)) * idle.took; all.took != want {
			t.Errorf("%s: took %v, want %v", name, all.took, want)
		}
	}
	one, other := call(1000, 1), call(500, 8)
	one.cpu, other.cpu = time.Second/4, 2*time.Second
	all, _ := b.exceeded([]phase{one, other}, least)
	if all.allocs != 1500 || all.frees != 1500 || all.cpu != one.cpu+other.cpu {
		t.Errorf("%+v, want 1500 of each and 2.25s", all)
	}
}
