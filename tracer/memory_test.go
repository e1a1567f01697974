package tracer

import (
	"context"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// Snapshots are taken while the reader is at work, for the race detector to check.
func TestSnapshotsOfGrowth(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Grow(t, "brk")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	done := make(chan error, 1)
	go func() { done <- tr.Run(t.Context()) }()
	explained := 0
	for range 50 {
		p.Say("")
		p.Line()
		time.Sleep(200 * time.Millisecond)
		r := tr.Snapshot(SnapshotOptions{Top: 3})[0]
		if r.Memory != nil && strings.HasPrefix(r.Memory.Verdict, "The brk heap grows ") && r.Diagnosis.Findings[0].Kind == report.Leak {
			explained++
		}
	}
	if explained < 5 {
		t.Errorf("%d snapshots explain the growth", explained)
	}
	p.End()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
