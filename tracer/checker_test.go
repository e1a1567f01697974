package tracer

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/book"
	"memtrace/tracer/process"
	"memtrace/tracer/testsupport/testprog"
)

// What a process held when it ended was not freed: candidates stay, although its memory is
// gone and its end may not be known yet.
func TestCheckOfEndedProcess(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "churn")
	var before int
	tr := traceDuring(t, Config{MaxOverhead: 0.05}, p, func(tr *Tracer) {
		p.Say("go")
		for deadline := time.Now().Add(time.Minute); before == 0; before = candidates(tr, p) {
			if time.Now().After(deadline) {
				t.Fatal("no candidates")
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	before = candidates(tr, p)
	if before == 0 {
		t.Fatal("no candidates are left at the end")
	}
	if err := unix.Kill(p.PID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var status unix.Siginfo
	// Leaves it a zombie.
	if err := unix.Waitid(unix.P_PID, p.PID(), &status, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	c := process.NewChecker(tr.processes, tr.book)
	defer c.Close()
	for range 2 {
		c.Check(true)
		if after := candidates(tr, p); after != before {
			t.Fatalf("%d candidates of %d are left", after, before)
		}
		p.Kill() // reaps it
	}
}

// candidates counts the blocks of the process that may be leaks.
func candidates(tr *Tracer, p *testprog.Program) int {
	known := tr.book.Copy(uint32(p.PID()), book.Asked{})
	if known.Sample == nil { // no window so far
		return 0
	}
	c := &known.Sample.Counters
	return int(c.Candidates - c.Freed - c.Reused - c.FoundFree)
}
