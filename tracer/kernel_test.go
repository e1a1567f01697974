package tracer

import (
	"testing"

	"memtrace/tracer/testprog"
)

// That calls are seen by the exit of all of them, where there is task work, no other
// test would notice: it only costs more.
func TestTaskWork(t *testing.T) {
	testprog.NeedRoot(t)
	for _, test := range []struct {
		cfg      Config
		possible bool
	}{{Config{}, true}, {Config{exitTracepoint: true}, false}, {Config{entryTracepoint: true}, false}} {
		k, err := checkKernel()
		if err != nil {
			t.Fatal(err)
		}
		if err := k.findWays(test.cfg); err != nil {
			t.Fatal(err)
		}
		if want := test.possible && k.unwindTables && k.atLeast(6, 18); (k.resume != "") != want {
			t.Errorf("Linux %v, %+v: the program is %q", k.version, test.cfg, k.resume)
		}
	}
}
