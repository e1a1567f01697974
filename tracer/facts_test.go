package tracer

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// A report of every mode knows what limits the process.
func TestFactsHaveLimits(t *testing.T) {
	testprog.NeedRoot(t)
	const most = 16 << 30
	for name, cfg := range map[string]Config{
		"exact": {}, "windows": {MaxOverhead: 0.001}, "growth": {GrowthOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Start(t, "busy")
			if err := unix.Prlimit(p.PID(), unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
				t.Fatal(err)
			}
			cfg.PIDs = []int{p.PID()}
			tr, err := Open(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			f := tr.facts(uint32(p.PID()), SnapshotOptions{})
			if f.Limits == nil || f.Limits.AddressSpace.Value != most || f.Limits.Mappings.Used == 0 {
				t.Errorf("limits %+v, want %d bytes of addresses, and mappings in use", f.Limits, uint64(most))
			}
			p.Kill()
			if f := tr.facts(uint32(p.PID()), SnapshotOptions{}); f.Limits != nil {
				t.Errorf("limits of a process that has ended: %+v", f.Limits)
			}
		})
	}
}
