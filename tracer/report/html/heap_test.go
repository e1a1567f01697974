package html

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// sessions is a group of blocks that grows.
func sessions() report.HeapGrowth {
	return report.HeapGrowth{
		Size: 136, Holder: report.HeapRoot{Class: report.HeapGlobal, Name: "sessions", Module: program, Address: 0x4098}, Shape: "list", Depth: 499,
		Class: report.HeapSteady, Now: report.HeapSum{Blocks: 500, Bytes: 68000}, Came: 348, PerMinute: 596, Low: 535, High: 663, Confidence: 0.95,
	}
}

// filling is one that may be a cache.
func filling() report.HeapGrowth {
	return report.HeapGrowth{
		Size: 2048, Kind: "std::vector<Order>", Holder: report.HeapRoot{Class: report.HeapTLS, Name: "cache"}, Class: report.HeapFilling, PerMinute: 20, Low: 8, High: 40,
		Slots: &report.HeapSlots{Words: 1024, Empty: 500}, Slowing: true, Came: 30, Left: 2,
	}
}

// looked is a report with looks at the heap: a group whose stacks are known, one of which they are not, and
// one that looks like what others hold.
func looked() *report.Report {
	r := leaking()
	lost := report.HeapGrowth{Size: 88, Holder: report.HeapRoot{Class: report.HeapUnreached}, Class: report.HeapUnknown, PerMinute: 3, Low: 1, High: 9, Came: 5}
	other := report.HeapSource{ID: "gone", Blocks: 8, Frames: []report.Frame{frame("new_user", program, "/src/user.c", 12), frame("log_in", program, "/src/user.c", 90), frame("main", program, "/src/server.c", 210)}}
	r.Heap = &report.HeapBeside{
		Looks: 9, End: r.End.Add(-4 * time.Second), DurationSeconds: 80, InUse: report.HeapSum{Blocks: 1499, Bytes: 191 << 10},
		Growing: []report.HeapOrigin{
			{HeapGrowth: sessions(), Checked: 348, Traced: 340, AllocatedBy: []report.HeapSource{{ID: "b30", Blocks: 332, Frames: r.Stacks[33].Frames}, other}},
			{HeapGrowth: lost, Checked: 5},
			{HeapGrowth: filling(), Checked: 30, LooksLike: []report.HeapSource{other}},
		},
		GrowingTotal: 5, Notes: []string{"Looks began anew."}, Suppressed: []report.Suppressed{{Pattern: "libpool", Stacks: 2, Sum: report.Sum{Bytes: 4096, Blocks: 4}}},
	}
	return r
}

// heapReport is a report of memtrace heap with all that it can have.
func heapReport() *report.HeapReport {
	start := time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)
	global := report.HeapRoot{Class: report.HeapGlobal, Name: "sessions", Module: program}
	r := &report.HeapReport{
		Schema: report.Schema, Target: report.Target{PID: 4242, Command: "sessiond"}, Answer: "sessiond (pid 4242) grows 20 blocks a minute (2.2 KiB/min): half held by global sessions, half unreachable",
		Start: start, End: start.Add(80 * time.Second), DurationSeconds: 80, Looks: 9, ReadSeconds: 0.4, Complete: true,
		Blocks:  report.HeapSpace{InUse: report.HeapSum{Blocks: 7396, Bytes: 1300 << 10}, Bins: report.HeapSum{Blocks: 3, Bytes: 4096}, Skipped: []report.HeapSkip{{Why: "not readable", Ranges: 2, Bytes: 8192}}},
		Growing: []report.HeapGrowth{sessions(), filling(), {Size: 312, Class: report.HeapFading, Holder: report.HeapRoot{Class: report.HeapMixed}}}, GrowingTotal: 3,
		Unreachable: &report.HeapUnreachable{
			Passes: 3, Certain: report.HeapSum{Blocks: 12, Bytes: 1056}, Possible: report.HeapSum{Blocks: 1, Bytes: 40}, LostTotal: 4,
			Lost: []report.HeapLost{
				{Size: 88, Roots: 12, Address: 0x5581d2c4a2a0, All: report.HeapSum{Blocks: 14, Bytes: 1200}, Certain: true},
				{Size: 40, Kind: "Node", Roots: 1, Address: 0x5581d2c4a300, All: report.HeapSum{Blocks: 1, Bytes: 40}, Why: "a pointer into it was seen"},
			},
		},
		Holders: []report.HeapHolder{
			{HeapRoot: global, Held: report.HeapSum{Blocks: 500, Bytes: 68000}, Shape: "list", Depth: 499, Growing: true, PerMinute: 10},
			{HeapRoot: report.HeapRoot{Class: report.HeapStack, Name: "stack of thread 7 (worker)"}, Held: report.HeapSum{Blocks: 3, Bytes: 100}, Varies: true},
		}, HoldersTotal: 9,
		Kinds: []report.HeapKind{{HeapPart: report.HeapPart{Size: 136, HeapSum: report.HeapSum{Blocks: 500, Bytes: 68000}}}, {HeapPart: report.HeapPart{Size: 64, Kind: "Order", HeapSum: report.HeapSum{Blocks: 5, Bytes: 320}}}},
		Path:  &report.HeapPath{Address: 0x5581d2c4a2a0, Steps: []report.HeapStep{{Root: &global}, {Address: 0x5581d2c40010, Size: 136, Omitted: 3}}},
		Notes: []string{"The process ran another program after 3 looks."},
	}
	r.KindsTotal = len(r.Kinds)
	return r
}

// hostileLooks is what looks at the heap of a program show that chose its names.
func hostileLooks() *report.Report {
	r := hostile()
	h := looked().Heap
	h.Growing = nil
	for i, name := range nasty {
		g := sessions()
		g.Kind, g.Holder.Name, g.Holder.Module, g.Shape = name, nasty[(i+1)%len(nasty)], name, name
		s := report.HeapSource{ID: r.Stacks[i%len(r.Stacks)].ID, Blocks: 1, Frames: []report.Frame{frame(name, name, name, i)}}
		h.Growing = append(h.Growing,
			report.HeapOrigin{HeapGrowth: g, Checked: 9, Traced: 1, AllocatedBy: []report.HeapSource{s}},
			report.HeapOrigin{HeapGrowth: g, Checked: 9, LooksLike: []report.HeapSource{s}})
	}
	h.Unread, h.Notes, h.Suppressed = nasty[0], nasty, []report.Suppressed{{Pattern: nasty[0]}}
	h.Focus = &report.HeapFocus{Unread: nasty[6]}
	r.Heap = h
	return r
}

// hostileHeap is the same of memtrace heap.
func hostileHeap() *report.HeapReport {
	r := heapReport()
	r.Growing, r.Holders, r.Kinds, r.Unreachable.Lost, r.Blocks.Skipped, r.Path.Steps = nil, nil, nil, nil, nil, nil
	for _, name := range nasty {
		root := report.HeapRoot{Class: report.HeapGlobal, Name: name, Module: name}
		g := filling()
		g.Kind, g.Holder, g.Shape = name, root, name
		r.Growing = append(r.Growing, g)
		r.Holders = append(r.Holders, report.HeapHolder{HeapRoot: root, Shape: name})
		r.Kinds = append(r.Kinds, report.HeapKind{HeapPart: report.HeapPart{Size: 8, Kind: name}})
		r.Unreachable.Lost = append(r.Unreachable.Lost, report.HeapLost{Kind: name, Why: name})
		r.Blocks.Skipped = append(r.Blocks.Skipped, report.HeapSkip{Why: name})
		r.Path.Steps = append(r.Path.Steps, report.HeapStep{Root: &root}, report.HeapStep{Kind: name})
	}
	r.Target.Command, r.Answer, r.Notes, r.Complete, r.Suppressed = nasty[0], nasty[0]+nasty[6], nasty, false, []report.Suppressed{{Pattern: nasty[0]}}
	return r
}

func renderHeap(t testing.TB, r *report.HeapReport, top int) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := WriteHeap(&buf, r, top); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func wants(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("it lacks %q", part)
		}
	}
}

// What grows in the heap is told with its rate, its holder, and the stacks that allocate it.
func TestBeside(t *testing.T) {
	page := render(t, looked())
	card := string(cut(t, page, `aria-label="Heap"`, "</section>"))
	wants(t, card, "9 looks in 1 min 20 s from outside, 1,499 blocks, 191.0 KiB in use; the last look was 4.0 s before this report",
		"<b>136 B</b>", "held by global sessions (sessiond), a list 499 deep", "<b>~596/min</b> <small>535 - 663</small>", "<td>steady</td>", "66.4 KiB in 500 blocks",
		`<span class="at" data-stack="34">#34</span> <code>init_table_30 tables.c:40 &lt; init_tables tables.c:400 &lt; handle_request server.c:88</code>: 332 of 348 blocks`,
		"allocated by <code>new_user user.c:12 &lt; log_in user.c:90 &lt; main server.c:210</code>: 8 of 348 blocks", "the others are gone since, or were not traced",
		"not certain yet", "unreachable", "who allocates it is not known: its blocks are gone since", "500 of 1,024 slots empty", "grows less from look to look",
		"main server.c:210</code> allocates: 8 blocks of the same size and kind that others hold", "2 more groups grow.", "Looks began anew.", "leak:libpool hides 4.0 KiB in 4 blocks")
	if bytes.Contains(page, []byte(`"heap":`)) {
		t.Error("it is in the data as well")
	}
	r := looked()
	r.Mode = report.ModeWindows
	r.Heap.Growing[1].SeenEverySeconds = 40
	wants(t, string(render(t, r)), "332 of 348 blocks, as windows saw", "the others look like what was seen", "no window saw it, and one sees such a call every 40 s or so")
	rare := &r.Heap.Growing[0].AllocatedBy[1]
	rare.Returned, rare.Given = rare.Blocks, 500
	r.Heap.Focus = &report.HeapFocus{Places: 678, Probed: 519, Calls: 26, Seconds: 79}
	wants(t, string(render(t, r)), "perhaps allocated by <code>new_user", "8 of 348 blocks, seen where the calls returned; it was given 500 blocks of that size there",
		"the others came before that was watched, or from elsewhere", `<p class="more">For what windows do not meet, 519 of 678 places have a probe`)
}

// Where there is nothing to list, it is said why.
func TestBesideNothing(t *testing.T) {
	for want, h := range map[string]*report.HeapBeside{
		`<p class="lost">not looked at: only heaps`:               {Unread: "only heaps"},
		`<p class="lost">not looked at yet`:                       {},
		"<p>what grows is not known yet, that takes three looks<": {Looks: 2},
		"<p>nothing is seen to grow that stays<":                  {Looks: 3},
		`<p class="lost">the process has ended</p>`:               {Looks: 3, Unread: "the process has ended"},
	} {
		r := leaking()
		r.Heap = h
		card := string(cut(t, render(t, r), `aria-label="Heap"`, "</section>"))
		if wants(t, card, want); strings.Contains(card, "<table") {
			t.Errorf("there is a table: %s", card)
		}
	}
	if page := render(t, leaking()); bytes.Contains(page, []byte(`aria-label="Heap"`)) {
		t.Error("a section of no looks")
	}
}

// A page of a heap has the answer first, and then all lists.
func TestHeapPage(t *testing.T) {
	page := string(renderHeap(t, heapReport(), 1))
	wants(t, page, "<h1>sessiond (pid 4242) grows 20 blocks a minute", `class="answer tone-bad"`, "9 looks in 1 min 20 s, nothing stopped", "<b>~596/min</b>", "2 more (-T 0 lists all that are known).",
		"12 blocks, 1.0 KiB, certain; 1 block, 40 B, possible", "<b>12 of 88 B</b>", "0x5581d2c4a2a0", "3 more (-T 0", "not seen: pointers", "<b>global sessions (sessiond)</b>", "growing 10/min", "8 more (-T 0",
		"<b>136 B</b></th><td class=\"n\">66.4 KiB</td><td class=\"n\">500</td>", "8.0 KiB in 2 ranges: not readable", "How 0x5581d2c4a2a0 is reached", "3 blocks on the way are left out", "0x5581d2c40010, 136 B",
		"The process ran another program", "memtrace heap: sessiond")
	if strings.Contains(page, "512 slots") || strings.Contains(page, `class="data"`) {
		t.Error("it has more than was asked for")
	}
	all := string(renderHeap(t, heapReport(), 0))
	wants(t, all, "fading: a cache", "possible, a pointer into it was seen", "up and down", "<b>64 B Order</b>")
	wants(t, string(renderHeap(t, &report.HeapReport{Answer: "it has nothing", Looks: 1}, 10)), `tone-unknown`, "not known yet: that takes three looks.", "incomplete", "it has nothing")
	wants(t, string(renderHeap(t, &report.HeapReport{OneIn: 8, Looks: 3}, 10)), "3 looks in 0 s at one block of 8, nothing stopped", "not known: that takes a look at all blocks.")
}

func TestHeapHostile(t *testing.T) {
	for name, page := range map[string][]byte{"beside": render(t, hostileLooks()), "heap": renderHeap(t, hostileHeap(), 0)} {
		want := map[string]int{"beside": 2, "heap": 1}[name]
		if n := bytes.Count(bytes.ToLower(page), []byte("<script")); n != want {
			t.Errorf("%s: %d scripts, want %d", name, n, want)
		}
		for _, evil := range append([]string{"<img", "<base", "<!--", "<svg onload"}, hiddenRunes...) {
			if bytes.Contains(page, []byte(evil)) {
				t.Errorf("%s: the page has %q", name, evil)
			}
		}
	}
}

// A page of very many groups with very long names stays small.
func TestHeapBounded(t *testing.T) {
	r := leaking()
	r.Stacks, r.Heap = nil, looked().Heap
	g := r.Heap.Growing[0]
	long := strings.Repeat("x", 100_000)
	g.Kind, g.Holder.Name, g.AllocatedBy = long, long, nil
	for i := range 100 {
		g.AllocatedBy = append(g.AllocatedBy, report.HeapSource{ID: fmt.Sprint(i), Frames: []report.Frame{frame(long, long, long, i), frame(long, long, long, i)}})
	}
	for range 500 {
		r.Heap.Growing = append(r.Heap.Growing, g)
	}
	const most = 1 << 20
	if n := len(render(t, r)); n > most {
		t.Errorf("it takes %d bytes", n)
	}
}
