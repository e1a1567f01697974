package tracer

import (
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// The report of a process that ran on before its probes were in place says so.
func TestOverdue(t *testing.T) {
	testprog.NeedRoot(t)
	first, late := testprog.Start(t, "busy"), testprog.Start(t, "busy")
	tr, end := run(t, Config{PIDs: []int{first.PID()}, Joins: true})
	if err := tr.Adopt(late.PID(), false); err != nil {
		t.Fatal(err)
	}
	tr.Overdue(late.PID())
	for _, r := range tr.Snapshot(SnapshotOptions{}) {
		if said := len(r.Unprobed) > 0; said != (r.Target.PID == late.PID()) || r.Complete == said {
			t.Errorf("process %d: %q, complete %v", r.Target.PID, r.Unprobed, r.Complete)
		}
	}
	end()
}
