package join

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/inspect"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// watched watches a process until that ends by itself, and returns what was shown, and how often anything was
// done aside.
func watched(t *testing.T, cfg inspect.Config) (r *report.HeapBeside, asides int) {
	t.Helper()
	w := &Watch{quit: func() {}, cfg: Config{
		Config: cfg, Interval: time.Millisecond, Logf: t.Logf,
		Aside: func() func() { asides++; return func() {} },
	}}
	w.run(t.Context())
	return w.Report(&book.Copy{}, func(event.StackID) string { return "" }), asides
}

// Of a heap with more blocks than there may be a part is looked at, and kept. Until that is known, the looks
// may take all that they are allowed.
func TestMaxMemory(t *testing.T) {
	p := testprog.Command(t, exec.Command(testprog.BuildProgram(t, "gcc", `#include <stdlib.h>
#include <unistd.h>
int main(void) { for (int i = 0; i < 200000; i++) { void *volatile p = malloc(24); p = p; } write(1, "ready many\n", 11); pause(); }`)))
	const most = 33 << 20
	ctx, stop := context.WithCancel(t.Context())
	w := &Watch{quit: stop, cfg: Config{
		Config: inspect.Config{PID: p.PID(), MaxMemory: most}, Interval: time.Millisecond, Logf: t.Logf,
		Aside: func() func() { return func() {} },
	}}
	before := w.Memory()
	go func() {
		for w.Memory() == before && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	w.run(ctx)
	r := w.Report(&book.Copy{}, func(event.StackID) string { return "" })
	if after := w.Memory(); r.Looks == 0 || r.Unread != "" || len(r.Notes) == 0 || !strings.Contains(r.Notes[0], " is looked at: all need ") || before != most || after == 0 || after >= most {
		t.Errorf("%+v, %d and %d bytes", r, before, after)
	}
}

// Opening a heap costs as well, and what is read of it then may not end the trace either.
func TestOpenAside(t *testing.T) {
	if r, asides := watched(t, inspect.Config{PID: 1 << 30}); asides != 1 || !strings.Contains(r.Unread, "no such process") {
		t.Errorf("%d times, %+v", asides, r)
	}
	w := &Watch{cfg: Config{Config: inspect.Config{PID: 7}, Aside: func() func() { return func() {} }}}
	if err := w.aside(func() error { panic("odd") }); err == nil || err.Error() != "look at the heap of process 7: odd" {
		t.Errorf("%v", err)
	}
}
