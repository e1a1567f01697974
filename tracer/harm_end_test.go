package tracer

import (
	"strings"
	"testing"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/testsupport/testprog"
)

// A process that ends while it is being attached to ends before the trace.
func TestHarmEndBeforeTrace(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "ways")
	tracer, err := Open(t.Context(), Config{PIDs: []int{p.PID()}})
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	p.Kill()
	if err := tracer.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As if the probes had come to life a moment later than they did.
	tracer.start, tracer.startMono = time.Now(), event.Now()
	tracer.end, tracer.endMono = tracer.start, tracer.startMono
	r := tracer.Snapshot(SnapshotOptions{})[0]
	if r.DurationSeconds != 0 || r.End.Sub(r.Start).Abs() > time.Minute || !strings.Contains(strings.Join(r.Notes, " "), "before its trace began") {
		t.Errorf("traced %v s, from %v to %v: %v", r.DurationSeconds, r.Start, r.End, r.Notes)
	}
}
