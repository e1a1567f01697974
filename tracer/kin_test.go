package tracer

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// However a process is traced, its facts have its children and how they grow.
func TestChildrenOfTraced(t *testing.T) {
	testprog.NeedRoot(t)
	for name, cfg := range map[string]Config{
		"exact": {}, "windows": {MaxOverhead: 0.01}, "growth": {GrowthOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(testprog.PathIn(t, filepath.Join("process", "kin", "testdata"), "family")))
			do := func(request string) string {
				p.Say(request)
				return p.Line()
			}
			child := strings.Fields(do("fork 1"))[1]
			cfg.PIDs = []int{p.PID()}
			tr, end := run(t, cfg)
			know := func() (growing bool, looks int) {
				k := tr.facts(uint32(p.PID()), SnapshotOptions{}).Kin
				if k.Living != 1 || len(k.Children) != 1 || !k.Children[0].Forked || k.Threads.Now != 1 {
					t.Fatalf("child %s: %+v", child, k)
				}
				return k.Children[0].Growing, k.Polls
			}
			deadline := time.Now().Add(time.Minute)
			for growing := false; !growing; growing, _ = know() {
				do("grow 0 4194304")
				if time.Now().After(deadline) {
					t.Fatal("no child grows")
				}
			}
			// It is looked at without being asked for.
			_, before := know()
			for _, now := know(); now <= before+2; _, now = know() {
				time.Sleep(100 * time.Millisecond)
				before++ // know looks, too
				if time.Now().After(deadline) {
					t.Fatalf("%d looks", now)
				}
			}
			end()
			_, polls := know()
			do("grow 0 4194304")
			if _, now := know(); now != polls {
				t.Errorf("%d looks after the end of the trace", now-polls)
			}
		})
	}
}
