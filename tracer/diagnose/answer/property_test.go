package answer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// random returns any evidence that could come from a process.
func random(rnd *rand.Rand) *Evidence {
	r := watched()
	some := func(n int64) int64 { return rnd.Int64N(n) * rnd.Int64N(2) }
	r.DurationSeconds = []float64{0.3, 2, 3.5, 20, 600}[rnd.IntN(5)]
	r.Target.Exited = rnd.IntN(6) == 0
	if rnd.IntN(4) == 0 {
		r.MallocSplit, r.Target.Allocator = nil, "jemalloc"
	}
	switch rnd.IntN(4) {
	case 0:
		inWindows(r)
		r.Sampling.Windows = rnd.IntN(3)
	case 1:
		r.Mode, r.Growth = report.ModeGrowth, &report.Growth{}
	}
	for i := range r.Memory.Regions {
		g := &r.Memory.Regions[i]
		g.GrowthBytes = some(1<<24) - some(1<<22)
		g.ResidentGrowthBytes = some(1<<24) - some(1<<22)
		g.OwnGrowthBytes = g.ResidentGrowthBytes - some(1<<20)*int64(rnd.IntN(2))
		if g.GrowthBytes > 0 && rnd.IntN(2) == 0 {
			g.Growing, g.GrowthBytesPerSecond = true, float64(g.GrowthBytes)/r.DurationSeconds
		}
		if g.OwnGrowthBytes > 0 && rnd.IntN(2) == 0 {
			g.OwnGrowing, g.OwnGrowthBytesPerSecond = true, float64(g.OwnGrowthBytes)/r.DurationSeconds
		}
	}
	r.Memory.OwnKnown = rnd.IntN(2) == 0
	r.Memory.ResidentGrowing = rnd.IntN(2) == 0
	r.Memory.ResidentGrowthBytes = some(1 << 24)
	r.Memory.ResidentGrowthBytesPerSecond = float64(r.Memory.ResidentGrowthBytes) / r.DurationSeconds
	e := with(r, randomStacks(rnd, r)...)
	if rnd.IntN(2) == 0 {
		e.Kept = &Kept{System: 1 << 26, Free: uint64(some(1 << 26)), Complete: rnd.IntN(3) > 0, Arenas: rnd.IntN(20)}
		e.KeptFirst = &Kept{System: 1 << 26, Free: uint64(some(1 << 26)), Complete: rnd.IntN(3) > 0}
	}
	e.OldFreed.Bytes, e.OldUnsized = uint64(some(1<<22)), uint64(some(1000))
	for range rnd.IntN(3) {
		e.Children = append(e.Children, report.Child{PID: rnd.IntN(9999), GrowthBytes: some(1 << 24), BytesPerSecond: float64(some(1 << 20)), Growing: rnd.IntN(2) == 0})
	}
	e.Threads, e.ThreadsGrowing = rnd.IntN(50), rnd.IntN(2) == 0
	e.Held.Now, e.Held.Part = rnd.IntN(9) == 0, rnd.Float64()
	e.Allocators = rnd.IntN(3)
	if r.MallocSplit == nil {
		e.Allocator = r.Target.Allocator
	}
	return e
}

func randomStacks(rnd *rand.Rand, r *report.Report) (stacks []report.Stack) {
	functions := []string{"parse", "open_log", "handle", "g_slice_alloc", "__pthread_create_2_1", "_PyObject_ArenaMmap", "std::vector<int>::push_back", ""}
	for i := range rnd.IntN(12) {
		var names []string
		for range rnd.IntN(5) {
			names = append(names, functions[rnd.IntN(len(functions))])
		}
		s := heap(fmt.Sprintf("%x", i+1), rnd.Uint64N(2000), 1+rnd.Uint64N(4000), 0, calls(names...))
		if r.Mode == report.ModeWindows && r.Sampling.Windows > 0 && rnd.IntN(2) == 0 {
			class := []string{"leak", "active leak", "possible leak", "stopped", "undecided"}[rnd.IntN(5)]
			v := rnd.Float64() * 1e6
			stacks = append(stacks, estimated(s.ID, class, v, v/2, v*2, s.Frames))
			continue
		}
		if rnd.IntN(2) == 0 {
			s.GrowthBytesPerSecond = (rnd.Float64()*1.5 - 0.2) * float64(s.Bytes) / r.DurationSeconds
		}
		s.OldestSeconds = rnd.Float64() * r.DurationSeconds
		s.FollowedSeconds = max(s.OldestSeconds, rnd.Float64()*r.DurationSeconds)
		s.YoungBytes = rnd.Uint64N(1 + s.Bytes/10)
		switch {
		case r.Mode == report.ModeGrowth:
			s.Kind, s.Served = report.Grown, nil
			s.Grown = []report.ClassBytes{{Class: []string{"brk", "mmap"}[rnd.IntN(2)], Bytes: s.Bytes}}
		case rnd.IntN(3) == 0:
			s.Kind, s.Served = report.Mmap, nil
			s.ReservedBytes = rnd.Uint64N(s.Bytes + 1)
			s.FillBytesPerSecond = float64(rnd.IntN(2)*rnd.IntN(2)) * rnd.Float64() * 1e6
		case rnd.IntN(3) == 0:
			s.ReplacedBytes = rnd.Uint64N(s.Taken() + 1)
		}
		stacks = append(stacks, s)
	}
	return stacks
}

// check fails if the words of a report say anything but its figures.
func check(t *testing.T, e *Evidence) {
	t.Helper()
	r := e.Report
	d := r.Diagnosis
	for _, a := range d.Accounts {
		sum, percent, positive := int64(0), 0, false
		for _, term := range a.Terms {
			sum += term.Bytes
			percent += term.Percent
			positive = positive || term.Bytes > 0
			if term.Percent < 0 || term.Bytes <= 0 && term.Percent != 0 || !term.Known && term.Kind != report.TermRest && term.Bytes > 0 {
				t.Errorf("%s: %+v", a.Label, term)
			}
		}
		if positive && percent != 100 {
			t.Errorf("%s: the parts add up to %d %%: %+v", a.Label, percent, a.Terms)
		}
		if sum != a.GrewBytes {
			t.Errorf("%s: grew by %d, the parts by %d", a.Label, a.GrewBytes, sum)
		}
	}
	var leaks int
	for i := range r.Stacks {
		if leaking(&r.Stacks[i]) {
			leaks++
		}
	}
	first := d.Findings[0]
	says := func(text string) bool { return strings.Contains(d.Answer, text) }
	if says("does not grow") && (leaks > 0 || first.BytesPerSecond.Value > 0 && first.Kind != report.Children) {
		t.Errorf("%d stacks leak: %s", leaks, d.Answer)
	}
	if says("too short") && leaks > 0 {
		t.Errorf("%d stacks leak: %s", leaks, d.Answer)
	}
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Text == "" || f.Share < 0 || f.Share > 1.0001 {
			t.Errorf("%+v", f)
		}
		if b := f.BytesPerSecond; !(b.Low <= b.Value+1e-6 && b.Value <= b.High+1e-6) || b.Value < 0 {
			t.Errorf("%s: %+v", f.Text, b)
		}
		if f.Kind == report.Nothing && (leaks > 0 || len(d.Findings) > 1 && d.Findings[0].BytesPerSecond.Value > 0) {
			t.Errorf("%d stacks leak, and nothing is found", leaks)
		}
	}
	agree(t, r)
}

// agree fails if the text and JSON of a report differ.
func agree(t *testing.T, r *report.Report) {
	t.Helper()
	var doc, text bytes.Buffer
	if err := report.JSON(&doc, r); err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal(doc.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if err := report.Text(&text, r, report.TextOptions{Width: 1000}); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(text.String(), "\n")
	if line != got.Diagnosis.Answer || got.Diagnosis.Answer == "" {
		t.Errorf("the text says %q, JSON %q", line, got.Diagnosis.Answer)
	}
	for _, a := range got.Diagnosis.Accounts {
		for _, term := range a.Terms {
			if term.Bytes != 0 && !strings.Contains(text.String(), term.Label) {
				t.Errorf("the text lacks %q:\n%s", term.Label, text.String())
			}
		}
	}
}

// No text denies what its own list shows, whatever was seen.
func FuzzAnswer(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		e := random(rand.New(rand.NewPCG(seed, 1)))
		answered(e)
		check(t, e)
	})
}
