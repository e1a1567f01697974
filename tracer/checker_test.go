package tracer

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testprog"
)

// What was held when a process ended was not freed: candidates stay, although its
// memory is gone and its end may not be known yet.
func TestCheckOfEndedProcess(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "churn")
	tr := traceWhile(t, Config{MaxOverhead: 0.05}, p, func() {
		p.Say("go")
		time.Sleep(3 * time.Second)
	})
	candidates := tr.procs[uint32(p.PID())].sample
	before := candidates.Len()
	if before == 0 {
		t.Fatal("no candidates")
	}
	if err := unix.Kill(p.PID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var status unix.Siginfo
	// Leaves it a zombie.
	if err := unix.Waitid(unix.P_PID, p.PID(), &status, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	c := newChecker()
	defer c.close()
	for range 2 {
		c.check(tr, true)
		if after := candidates.Len(); after != before {
			t.Fatalf("%d candidates of %d are left", after, before)
		}
		p.Kill() // reaps it
	}
}
