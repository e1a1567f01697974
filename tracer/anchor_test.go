package tracer

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"memtrace/tracer/testprog"
)

// When memtrace is killed the kernel takes the probe away last whose descriptor is the
// lowest.
func TestAnchorIsLowest(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}()
	traced := tr.procs[uint32(p.PID())]
	held, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", traced.anchor.FD()))
	if err != nil || !strings.Contains(held, "bpf") || len(traced.links) == 0 {
		t.Fatalf("the anchor holds %s, %v; %d other probes", held, err, len(traced.links))
	}
	for _, l := range traced.links {
		if fd := l.(interface{ FD() int }).FD(); fd < traced.anchor.FD() {
			t.Errorf("descriptor %d of a probe is closed after %d, the anchor's", fd, traced.anchor.FD())
		}
	}
}
