package answer

import (
	"testing"

	"memtrace/tracer/report"
)

// filling is a process that has mapped 1 GiB of shared memory at once, and touches 1 MiB of it a
// second.
func filling() *Evidence {
	r := watched()
	for i := range r.Memory.Regions {
		if g := &r.Memory.Regions[i]; g.Class == "shared" {
			g.OwnGrowthBytes, g.OwnGrowthBytesPerSecond, g.OwnGrowing = 20<<20, 1<<20, true
		}
	}
	r.Memory.OwnKnown = true
	s := mapping("k1", 1, 1<<30, 0, calls("push_sample", "record"))
	s.ReservedBytes, s.FillBytesPerSecond = 1<<30-20<<20, 1<<20
	s.Grown = []report.ClassBytes{{Class: "shared", Bytes: 20 << 20}}
	return with(r, s)
}

// Memory that is touched little by little in a mapping that was made at once is that stack's, by
// what is touched.
func TestFilledMappingGrows(t *testing.T) {
	d := answered(filling()).Diagnosis
	f := &d.Findings[0]
	if f.Kind != report.Leak || f.Culprit == nil || f.Culprit.Function != "push_sample" || f.BytesPerSecond.Value != 1<<20 {
		t.Errorf("%+v", f)
	}
	if a := d.Accounts[0]; a.Kind != "shared" || a.GrewBytes != 20<<20 || len(a.Terms) != 1 || a.Terms[0].Kind != report.TermLeaks {
		t.Errorf("account %+v", a)
	}
}

// The same growth without such a stack has none.
func TestFilledMappingOfNobody(t *testing.T) {
	e := filling()
	e.Report.Stacks = nil
	if f := answered(e).Diagnosis.Findings[0]; f.Kind != report.Unexplained || f.Memory != "shared memory" {
		t.Errorf("%+v", f)
	}
}
