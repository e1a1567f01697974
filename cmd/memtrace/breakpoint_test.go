package main

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"memtrace/tracer/testprog"
)

// Between windows, when every probe on an allocation function is away, the kernel still
// looks for a uprobe at a breakpoint that the process runs into: it may be that of a
// probe that was there when a thread of the process met it.
func TestBreakpointsBetweenWindows(t *testing.T) {
	testprog.NeedRoot(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("the number of a trap is one of x86-64")
	}
	p := testprog.Start(t, "breakpoint")
	p.Say("go")
	m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()))...)
	trap := func() (n int64) {
		p.Say("breakpoint")
		scanLine(t, p.Line(), "trap %d", &n)
		return n
	}
	const looks = 200
	var unknown int
	for range looks {
		time.Sleep(20 * time.Millisecond)
		if trap() != 0 {
			unknown++
		}
	}
	if unknown > 0 {
		t.Errorf("at %d of %d breakpoints the kernel held that the process has no uprobe", unknown, looks)
	}
	if r := m.stop(); r.Sampling == nil || r.Sampling.Windows == 0 {
		t.Errorf("sampling %+v", r.Sampling)
	}
	// Once the trace is over the process has none: the first breakpoint tells the kernel.
	trap()
	if n := trap(); n != 3 {
		t.Errorf("trap %d after the trace, want 3: nothing is to be left behind", n)
	}
}
