package join

import (
	"fmt"
	"testing"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/inspect"
	"memtrace/tracer/inspect/cohort"
	"memtrace/tracer/report"
)

const second = uint64(1e9)

// joined joins a group of one or more blocks, which came from the 10th to the 20th second, with what a
// trace knows that goes on until the 60th, or a time given. The last look was in the 50th.
func joined(t *testing.T, change func(*inspect.Grown), until uint64, known map[uint64]book.Origin, own ...uint64) report.HeapOrigin {
	t.Helper()
	wall := time.Unix(1e9, 0)
	at := func(s int) time.Time { return wall.Add(time.Duration(s-60) * time.Second) }
	g := inspect.Grown{HeapGrowth: report.HeapGrowth{Size: 136, Class: report.HeapSteady}}
	for _, addr := range own {
		g.Own = append(g.Own, cohort.Member{Addr: addr, From: at(10), To: at(20)})
	}
	if change != nil {
		change(&g)
	}
	j := joiner{
		state: &inspect.State{Start: at(0), End: at(50), Took: time.Second, Looks: 5, Grown: []inspect.Grown{g}, Total: 1},
		now:   clock{wall, 60 * second}, until: until,
		origins: func(addresses []uint64) (list []book.Origin) {
			for _, a := range addresses {
				list = append(list, known[a])
			}
			return list
		},
		name: func(id event.StackID) string { return fmt.Sprint(uint64(id)) },
	}
	r := j.report("")
	if r.Looks != 5 || r.DurationSeconds != 50 || !r.End.Equal(at(50)) || len(r.Growing) != 1 {
		t.Fatalf("%+v", r)
	}
	return r.Growing[0]
}

// Where every call is traced, the block at an address is the one that was looked at unless it came
// later.
func TestExact(t *testing.T) {
	known := map[uint64]book.Origin{
		16: {Stack: 1, Time: 15 * second}, 32: {Stack: 2, Time: 12 * second}, 48: {Stack: 2, Time: 5 * second}, 64: {Stack: 3, Time: 55 * second},
	}
	g := joined(t, nil, 60*second, known, 16, 32, 48, 64, 80)
	if g.Checked != 5 || g.Traced != 3 || len(g.AllocatedBy) != 2 || g.AllocatedBy[0].ID != "2" || g.AllocatedBy[0].Blocks != 2 || g.AllocatedBy[1].Blocks != 1 {
		t.Errorf("%+v", g)
	}
	// What came after the trace had ended is not held against it.
	if g := joined(t, nil, 15*second, known, 16); g.Checked != 0 || g.Traced != 0 || len(g.AllocatedBy) != 0 {
		t.Errorf("after the end: %+v", g)
	}
}

// A block that a window saw may be gone, and another one have its place.
func TestSampled(t *testing.T) {
	const addr = 16
	of := func(o book.Origin) map[uint64]book.Origin {
		o.Stack, o.Sampled = 1, true
		return map[uint64]book.Origin{addr: o}
	}
	for _, tc := range []struct {
		name    string
		origin  book.Origin
		byPlace bool
		want    uint64
	}{
		{"the same", book.Origin{Time: 15 * second, Size: 136}, false, 1},
		{"as large", book.Origin{Time: 15 * second, Size: 121}, false, 1},
		{"in a larger chunk", book.Origin{Time: 15 * second, Size: 120}, false, 1},
		{"smaller", book.Origin{Time: 15 * second, Size: 100}, false, 0},
		{"larger", book.Origin{Time: 15 * second, Size: 137}, false, 0},
		{"from before", book.Origin{Time: 9 * second, Size: 136}, false, 0},
		{"from later", book.Origin{Time: 22 * second, Size: 136}, false, 0},
		{"while it was looked at", book.Origin{Time: 20*second + 1, Size: 136}, false, 1},
		{"changed", book.Origin{Time: 15 * second, Size: 136, Active: true}, false, 0},
		{"changed where all do", book.Origin{Time: 15 * second, Size: 136, Active: true}, true, 1},
	} {
		g := joined(t, func(g *inspect.Grown) { g.ByPlace = tc.byPlace }, 60*second, of(tc.origin), addr)
		if g.Traced != tc.want || len(g.AllocatedBy) != int(tc.want) || len(g.LooksLike) != 0 {
			t.Errorf("%s: %+v", tc.name, g)
		}
	}
}

// A mapping begins where a block may lie, too, by which the heap has grown.
func TestMapped(t *testing.T) {
	known := map[uint64]book.Origin{16: {Stack: 1, Time: 15 * second, Mapped: true, Size: 0x20ff0}}
	if g := joined(t, nil, 60*second, known, 16); g.Traced != 0 {
		t.Errorf("in a heap: %+v", g)
	}
	if g := joined(t, func(g *inspect.Grown) { g.Size = cohort.SizeClass(0x20ff0) }, 60*second, known, 16); g.Traced != 1 {
		t.Errorf("of its own: %+v", g)
	}
}

// Blocks that others hold are only told of where nothing is known of the group itself.
func TestLooksLike(t *testing.T) {
	alike := func(g *inspect.Grown) {
		m := g.Own[0]
		m.Addr = 160
		g.Alike = append(g.Alike, m)
	}
	like := book.Origin{Stack: 2, Time: 15 * second, Sampled: true, Size: 136}
	g := joined(t, alike, 60*second, map[uint64]book.Origin{160: like}, 16)
	if g.Traced != 0 || len(g.AllocatedBy) != 0 || len(g.LooksLike) != 1 || g.LooksLike[0].ID != "2" {
		t.Errorf("%+v", g)
	}
	own := like
	own.Stack = 1
	g = joined(t, alike, 60*second, map[uint64]book.Origin{160: like, 16: own}, 16)
	if g.Traced != 1 || g.AllocatedBy[0].ID != "1" || len(g.LooksLike) != 0 {
		t.Errorf("%+v", g)
	}
}

// What suppressions hide is counted, and remarks on the looks are kept.
func TestRemarks(t *testing.T) {
	s := &inspect.State{Looks: 3, Notes: []string{"began anew"}, Suppressed: []report.Suppressed{{Pattern: "cache"}}}
	if r := (&joiner{state: s}).report("over"); len(r.Suppressed) != 1 || len(r.Notes) != 1 || r.Unread != "over" {
		t.Errorf("%+v", r)
	}
}

// What was seen where a call returned counts between the two looks between which a block came, if the
// size is the same. How many blocks the stack was given tells what it is worth.
func TestReturned(t *testing.T) {
	returned := func(stack event.StackID, at, size, times uint64) book.Origin {
		return book.Origin{Stack: stack, Time: at * second, Size: size, Returned: true, Times: times}
	}
	known := map[uint64]book.Origin{
		16: returned(1, 15, 136, 7), 32: returned(1, 19, 136, 9), 48: returned(1, 9, 136, 9), 64: returned(1, 25, 136, 9), 80: returned(2, 15, 152, 1),
		96: {Stack: 1, Time: 15 * second, Size: 136, Sampled: true},
	}
	g := joined(t, nil, 60*second, known, 16, 32, 48, 64, 80, 96)
	if len(g.AllocatedBy) != 1 || g.Checked != 6 || g.Traced != 3 {
		t.Fatalf("%+v", g)
	}
	if s := g.AllocatedBy[0]; s.Blocks != 3 || s.Returned != 2 || s.Given != 9 {
		t.Errorf("%+v", s)
	}
}

// fakeFocus notes what is asked of it.
type fakeFocus struct {
	ready bool
	known map[uint64]book.Origin
	fits  func(uint64) bool
}

func (f *fakeFocus) Ready() bool                 { return f.ready }
func (f *fakeFocus) Want(fits func(uint64) bool) { f.fits = fits }
func (f *fakeFocus) State() *report.HeapFocus    { return nil }
func (f *fakeFocus) Stop()                       {}
func (f *fakeFocus) Origins(addresses []uint64) (list []book.Origin) {
	for _, a := range addresses {
		list = append(list, f.known[a])
	}
	return list
}

// Only sizes are asked for that grow and of which hardly anything is known, and only in windows. They stay asked
// for.
func TestAsksForWhatNobodySaw(t *testing.T) {
	now := time.Now()
	group := func(size, addr uint64) inspect.Grown {
		g := inspect.Grown{HeapGrowth: report.HeapGrowth{Size: size, Class: report.HeapSteady}}
		for i := range uint64(3) {
			g.Own = append(g.Own, cohort.Member{Addr: addr + i<<20, From: now.Add(-time.Hour), To: now})
		}
		return g
	}
	seen := book.Origin{Stack: 3, Time: event.Now() - 1e9, Size: 200, Sampled: true}
	f := &fakeFocus{known: map[uint64]book.Origin{32: seen, 32 + 1<<20: seen, 32 + 2<<20: seen, 16: {Stack: 4, Time: event.Now() - 1e9, Size: 136, Sampled: true}}}
	w := &Watch{cfg: Config{Focus: f}, wanted: make(map[uint64]bool)}
	w.state = inspect.State{Start: now.Add(-time.Hour), End: now.Add(time.Second), Looks: 5, Grown: []inspect.Grown{group(136, 16), group(200, 32)}}
	if w.focus(); f.fits != nil {
		t.Error("asked while every call is traced")
	}
	f.ready = true
	w.focus()
	if f.fits == nil || !f.fits(136) || !f.fits(130) || f.fits(200) || f.fits(88) {
		t.Errorf("%v", w.wanted)
	}
	w.state.Grown = []inspect.Grown{group(88, 48)}
	if w.focus(); !f.fits(136) || !f.fits(88) || f.fits(200) {
		t.Errorf("%v", w.wanted)
	}
}
