package process

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"memtrace/tracer/book/heap"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

// running is a Book of processes that have neither ended nor mapped anything.
type running struct{}

func (running) Exited(uint32) bool {
	return false
}
func (running) Unprobed(uint32, uint64)                           {}
func (running) Unwound(event.StackID, []uint64, bool)             {}
func (running) FreshThreads() []heap.Thread                       { return nil }
func (running) Mapped(uint32, func(_, _ uint64, _ event.StackID)) {}

// attached opens a process and attaches probes to it.
func attached(t *testing.T, pid int) *Process {
	t.Helper()
	options := probe.Options{StackDepth: 127, MaxSize: ^uint64(0), RingSize: 1 << 20, Logf: t.Logf}
	features, err := probe.FindFeatures(options)
	if err != nil {
		t.Fatal(err)
	}
	all := new(probe.Attached)
	g := NewGroup(Config{Logf: t.Logf, GiveUp: func(what string) { t.Error(what) }}, running{}, all)
	t.Cleanup(func() {
		g.Stop()
		for _, closing := range []func() error{all.CloseProbes, all.CloseAnchors, g.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	if err := g.Open(pid); err != nil {
		t.Fatal(err)
	}
	set, err := probe.Load(features, options, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	if err := g.Attach(context.Background(), set, nil); err != nil {
		t.Fatal(err)
	}
	return g.Of(uint32(pid))
}

// When memtrace is killed, the kernel removes the probe with the lowest descriptor last. That
// must be the anchor.
func TestAnchorIsLowest(t *testing.T) {
	testprog.NeedRoot(t)
	p := attached(t, testprog.Start(t, "busy").PID())
	held, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", p.anchor.FD()))
	if err != nil || !strings.Contains(held, "bpf") || len(p.links) == 0 {
		t.Fatalf("the anchor holds %s, %v; %d other probes", held, err, len(p.links))
	}
	for _, l := range p.links {
		if fd := l.(interface{ FD() int }).FD(); fd < p.anchor.FD() {
			t.Errorf("descriptor %d of a probe is closed after %d, the anchor's", fd, p.anchor.FD())
		}
	}
}
