package census

import (
	"os/exec"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// TestGone looks at a process that has ended, and at one that runs another program by now.
func TestGone(t *testing.T) {
	for _, then := range []string{"exit", "exec sleep 1000"} {
		p := testprog.Command(t, exec.Command("sh", "-c", "echo ready 1; read line; "+then))
		w := open(t, p.PID())
		c := w.mustLook(t)
		if c.Blocks.Len() == 0 {
			t.Fatal("a shell without blocks")
		}
		b := c.Blocks.At(c.Blocks.Len() / 2)
		if got, ok := w.Now(c, b.Addr); !ok || got != b {
			t.Errorf("%#x %v, want %#x", got, ok, b)
		}
		p.Say("")
		for deadline := time.Now().Add(10 * time.Second); w.Read(b.Addr, make([]byte, 8)) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("its memory is still there")
			}
		}
		if c, err := w.Look(); err == nil {
			t.Errorf("after %s: %+v", then, c.Totals)
		}
		if got, ok := w.Now(c, b.Addr); ok {
			t.Errorf("after %s: %#x", then, got)
		}
		seen := false
		if err := w.Scan(c, func(int, uint64, []byte) { seen = true }); seen || err == nil {
			t.Errorf("after %s: %v, content %v", then, err, seen)
		}
	}
}
