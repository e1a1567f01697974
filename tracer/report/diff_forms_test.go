package report

import (
	"bytes"
	"maps"
	"slices"
	"testing"
)

// diffOf is a difference of stacks that grew by so much, or shrank.
func diffOf(changes ...float64) *Diff {
	d := &Diff{Answer: "+1 B: all in a"}
	for i, c := range changes {
		s := DiffStack{State: DiffGrew, Bytes: Change{From: 1000, To: 1000 + c, Change: c, Low: c, High: c}, Frames: []Frame{{Function: string(rune('a' + i))}, {Function: "main"}}}
		if c < 0 {
			s.State = DiffShrank
		}
		d.Stacks = append(d.Stacks, s)
	}
	return d
}

// speedscope itself sees what grew and what shrank as profiles of their own, and both sides. What is
// not certain is in none of the first two.
func TestDiffSpeedscope(t *testing.T) {
	uncertain := diffOf(300, 20, -50)
	uncertain.Stacks[1].State = DiffUncertain
	rates := diffOf(300)
	rates.Estimated, rates.Per = true, "second"
	files := make(map[string][]byte)
	for name, d := range map[string]*Diff{"uncertain": uncertain, "rates": rates, "nothing": diffOf()} {
		var buf bytes.Buffer
		if err := diffSpeedscope(&buf, d); err != nil {
			t.Fatal(err)
		}
		files[name] = buf.Bytes()
	}
	want := map[string]map[string]map[string]float64{
		"uncertain": {
			"bytes more": {"main;a": 300}, "bytes less": {"main;c": 50},
			"bytes before": {"main;a": 1000, "main;b": 1000, "main;c": 1000}, "bytes after": {"main;a": 1300, "main;b": 1020, "main;c": 950},
		},
		"rates": {
			"bytes leaked a minute, estimated, more":   {"main;a": 18000},
			"bytes leaked a minute, estimated, before": {"main;a": 60000}, "bytes leaked a minute, estimated, after": {"main;a": 78000},
		},
		"nothing": {"bytes before": {}},
	}
	for name, seen := range importSpeedscope(t, files) {
		var names []string
		for _, p := range seen.Profiles {
			names = append(names, p.Name)
			if stacks, ok := want[name][p.Name]; !ok || !maps.Equal(p.Stacks, stacks) || p.Unit != "bytes" {
				t.Errorf("%s: %s has %v of %s, want %v", name, p.Name, p.Stacks, p.Unit, want[name][p.Name])
			}
		}
		if len(names) != len(want[name]) {
			t.Errorf("%s has %q", name, names)
		}
	}
}

// Of the stacks of a difference those are kept that changed most, up or down, where they are.
func TestDiffWithTop(t *testing.T) {
	d := diffOf(300, 20, -50, -400)
	for n, want := range map[int][]float64{0: {300, 20, -50, -400}, 2: {300, -400}, 3: {300, -50, -400}, 9: {300, 20, -50, -400}} {
		var got []float64
		for _, s := range d.WithTop(n).Stacks {
			got = append(got, s.Bytes.Change)
		}
		if !slices.Equal(got, want) {
			t.Errorf("of the first %d there are %v, want %v", n, got, want)
		}
	}
	if len(d.Stacks) != 4 {
		t.Error("the difference was changed")
	}
}
