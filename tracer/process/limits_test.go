package process

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// The limits are those of the process as long as it lives.
func TestLimits(t *testing.T) {
	program := testprog.Start(t, "busy")
	p, err := open(program.PID(), &Config{GrowthOnly: true, Logf: t.Logf}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	const most = 16 << 30
	if err := unix.Prlimit(program.PID(), unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		t.Fatal(err)
	}
	space, err := p.Space(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l := p.Limits(space)
	if l == nil || l.AddressSpace.Value != most || l.AddressSpace.Used != space.StatmVirtual {
		t.Errorf("limits %+v, want %d bytes of addresses with %d in use", l, uint64(most), space.StatmVirtual)
	}
	if l != nil && l.Mappings.Used != uint64(space.Mappings) {
		t.Errorf("%+v, want %d mappings", l.Mappings, space.Mappings)
	}
	program.Kill()
	if l := p.Limits(space); l != nil {
		t.Errorf("limits of a process that has ended: %+v", l)
	}
}
