package html

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// changed is a stack of a difference, which has so much on both sides.
func changed(state report.DiffState, from, to float64, frames ...report.Frame) report.DiffStack {
	amount := func(from, to float64) report.Change {
		return report.Change{From: from, To: to, Change: to - from, Low: to - from, High: to - from}
	}
	return report.DiffStack{
		State: state, Bytes: amount(from, to), Blocks: amount(from/1024, to/1024), FromStacks: 1, ToStacks: 1, Frames: append(frames, outer()...),
	}
}

// difference is one of two moments of a record, in which stacks became all that they can.
func difference() *report.Diff {
	at := time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)
	d := &report.Diff{
		Schema: report.DiffSchema, Answer: "+3.5 MiB in 1 min 0 s: 75 % in make_session < handle_request (session.c:142)", Seconds: 60, OverSeconds: 60,
		From: report.DiffSide{Source: "leak.rec", Kind: "record", Processes: "sessiond (pid 4242)", Time: at, Seconds: 60, Mode: report.ModeExact, Units: 1, Complete: true},
		Grew: 4 << 20, Shrank: 512 << 10, Unchanged: 7, Notes: []string{"It is only a test."},
		Counts: map[report.DiffState]int{report.DiffAppeared: 1, report.DiffGrew: 1, report.DiffShrank: 1, report.DiffVanished: 1},
		Stacks: []report.DiffStack{
			changed(report.DiffGrew, 3<<20, 6<<20, frame("make_session", program, "/src/session.c", 142)),
			changed(report.DiffAppeared, 0, 1<<20, frame("open_log", program, "/src/log.c", 9)),
			changed(report.DiffShrank, 512<<10, 256<<10, frame("fill_cache", program, "/src/cache.c", 31)),
			changed(report.DiffVanished, 256<<10, 0, frame("load_config", program, "/src/config.c", 77)),
		},
	}
	d.To = d.From
	d.To.Time, d.To.Seconds = at.Add(time.Minute), 120
	for i := range d.Stacks {
		b := d.Stacks[i].Bytes
		d.Bytes.From, d.Bytes.To, d.Bytes.Change = d.Bytes.From+b.From, d.Bytes.To+b.To, d.Bytes.Change+b.Change
	}
	d.Bytes.Low, d.Bytes.High = d.Bytes.Change, d.Bytes.Change
	d.StacksTotal = len(d.Stacks)
	return d
}

// estimatedDifference is one of rates of leaks. The last stack's interval holds 0.
func estimatedDifference() *report.Diff {
	d := difference()
	d.Answer, d.Seconds, d.OverSeconds, d.Estimated, d.Per = "~+3.5 MiB/s [+3.0 MiB/s - +4.0 MiB/s]: 75 % in make_session < handle_request (session.c:142)", 0, 0, true, "second"
	for i := range d.Stacks {
		b := &d.Stacks[i].Bytes
		b.Low, b.High = b.Change-100<<10, b.Change+100<<10
	}
	d.Bytes.Low, d.Bytes.High = 3<<20, 4<<20
	last := &d.Stacks[3]
	last.State, last.Bytes.High = report.DiffUncertain, 1000
	d.Counts = map[report.DiffState]int{report.DiffAppeared: 1, report.DiffGrew: 1, report.DiffShrank: 1, report.DiffUncertain: 1}
	return d
}

// cutDifference is one of lists that were cut, per request. The last stack is in one list alone.
func cutDifference() *report.Diff {
	d := difference()
	d.Seconds, d.OverSeconds, d.Per, d.From.Units, d.To.Units, d.Unlisted = 0, 0, "request", 1000, 2000, 1
	last := &d.Stacks[3]
	last.State, last.Unlisted, last.ToStacks = report.DiffUncertain, true, 0
	d.To.Listed, d.To.StacksTotal, d.To.Complete = 3, 50, false
	return d
}

// hostileDifference has the names of a program that chose them.
func hostileDifference() *report.Diff {
	d := difference()
	d.Answer, d.Per, d.Notes = "+1 B: all in "+nasty[0]+" < "+nasty[4], nasty[0], nasty
	d.From.Source, d.From.Processes, d.From.Mode, d.To.Source, d.To.Processes = nasty[0], nasty[2], nasty[5], nasty[4], nasty[10]
	d.From.Units = 2
	d.Stacks = d.Stacks[:1]
	for i, name := range nasty {
		s := changed(report.DiffGrew, float64(i), float64(int(100)<<i), frame(name, name, name, i), frame("by "+name, nasty[(i+1)%len(nasty)], name, i))
		s.Truncated = i%2 == 0
		d.Stacks = append(d.Stacks, s)
	}
	d.StacksTotal = len(d.Stacks)
	return d
}

// manyChanged is a difference of n stacks: half of them shrank.
func manyChanged(n int) *report.Diff {
	d := difference()
	d.Stacks = nil
	r := many(n)
	for i := range r.Stacks {
		s := changed(report.DiffGrew, 1e6, 1e6+float64(n-1-2*i), r.Stacks[i].Frames...)
		if i >= n/2 {
			s.State = report.DiffShrank
		}
		d.Stacks = append(d.Stacks, s)
	}
	d.StacksTotal = n
	return d
}

func renderDiff(t testing.TB, d *report.Diff) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := DiffForm.Write(&buf, d, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// The page has the answer, both sides, and what became of each stack, with the rate of its change.
func TestDiff(t *testing.T) {
	page := string(renderDiff(t, difference()))
	for _, part := range []string{
		"<h1>&#43;3.5 MiB in 1 min 0 s: 75 % in <mark>make_session</mark> &lt; handle_request (session.c:142)</h1>",
		"<small>&#43;59.7 KiB/s</small>", "<dt>before</dt><dd><b>3.8 MiB</b>", "in 2 stacks, 1 new", "in 2 stacks, 1 gone", "What is held at two moments, 1 min 0 s apart.",
		`<td>grew</td><td class="n">&#43;3.0 MiB</td><td class="n">3.0 MiB</td><td class="n">6.0 MiB</td><td class="n">&#43;51.2 KiB/s</td><td class="n">&#43;3,072</td>`,
		`<tr class="shrank"><td>4</td>`, `<td>gone</td><td class="n">-256.0 KiB</td>`, "7 stacks did not change", "leak.rec", "It is only a test.", ">complete<",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	page = string(renderDiff(t, estimatedDifference()))
	for _, part := range []string{"rates of leaks: estimates", "~&#43;3.0 MiB/s [&#43;2.9 MiB/s - &#43;3.1 MiB/s]", "<td>not certain</td>", "if both 95 % intervals hold"} {
		if !strings.Contains(page, part) {
			t.Errorf("of rates: the page lacks %q", part)
		}
	}
	page = string(renderDiff(t, cutDifference()))
	for _, part := range []string{
		`<td>in one list alone</td><td class="n">not known</td><td class="n">256.0 KiB per request</td><td class="n">not known</td>`,
		"only 3 of 50", ">incomplete<", "2000 × request", "before it is divided by 1000, after by 2000",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("of lists that were cut: the page lacks %q", part)
		}
	}
	d := difference()
	d.Stacks, d.StacksTotal, d.Bytes, d.Answer = nil, 0, report.Change{}, "±0 B: no stack changed"
	if page := string(renderDiff(t, d)); !strings.Contains(page, "No stack changed.") || !strings.Contains(page, `class="answer tone-calm"`) {
		t.Error("the page of no change tells one")
	}
}

// Without scripts the stacks that changed most are listed, also those that shrank, which come last.
func TestDiffRows(t *testing.T) {
	page := renderDiff(t, manyChanged(1000))
	if grew, shrank := bytes.Count(page, []byte(`<tr class="grew">`)), bytes.Count(page, []byte(`<tr class="shrank">`)); grew != 25 || shrank != 25 {
		t.Errorf("%d that grew and %d that shrank", grew, shrank)
	}
	if !bytes.Contains(page, []byte("950 more stacks are not in this table.")) {
		t.Error("it is not told how many there are")
	}
	if n := len(renderDiff(t, manyChanged(20_000))); n > 10e6 {
		t.Errorf("20,000 stacks take %d bytes", n)
	}
}

// The scripts get the frames and the figures of each stack as they are.
func TestDiffData(t *testing.T) {
	d := manyChanged(3000)
	data := dataOf(t, renderDiff(t, d))
	for i := range d.Stacks {
		s := &d.Stacks[i]
		var got, want []string
		for at := data.Leaves[i]; at >= 0; at = data.Parents[at] {
			got = append(got, data.Strings[data.Frames[data.Nodes[at]][0]])
		}
		for _, f := range s.Frames {
			want = append(want, f.Function)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("stack %d: %q, want %q", i, got, want)
		}
		for name, want := range map[string]any{"change": s.Bytes.Change, "from": s.Bytes.From, "state": string(s.State), "blocks_to": s.Blocks.To} {
			var value any
			if err := json.Unmarshal(data.Columns[name][i], &value); err != nil || value != want {
				t.Fatalf("stack %d: %s is %v, want %v (%v)", i, name, value, want, err)
			}
		}
	}
	var bare report.Diff
	if err := json.Unmarshal(data.Diff, &bare); err != nil || bare.Answer != d.Answer || len(bare.Stacks) != 0 || data.Report != nil {
		t.Errorf("the difference: %v, %q, %d stacks", err, bare.Answer, len(bare.Stacks))
	}
	if err := WriteDiff(new(bytes.Buffer), &report.Diff{Bytes: report.Change{From: math.NaN()}}); err == nil {
		t.Error("what is no number is written")
	}
}

// Names that a hostile program chose stay text, and nothing but the page's script may run.
func TestDiffHostile(t *testing.T) {
	page := renderDiff(t, hostileDifference())
	if n := bytes.Count(bytes.ToLower(page), []byte("<script")); n != 2 {
		t.Errorf("%d scripts, want one and the data", n)
	}
	for _, evil := range append([]string{"<img", "<base", "<!--", "<svg"}, hiddenRunes...) {
		if bytes.Contains(page, []byte(evil)) {
			t.Errorf("the page has %q", evil)
		}
	}
	if names := dataOf(t, page).Strings; !slices.Contains(names, nasty[0]) || !slices.Contains(names, `rtl\u{202e}\u{2066}\u{200f} evil`) {
		t.Errorf("names are missing: %q", names)
	}
	if want := fmt.Sprintf("content=%q", strings.NewReplacer("'", "&#39;", "+", "&#43;").Replace(policy)); !bytes.Contains(page, []byte(want)) {
		t.Error("the page has another policy")
	}
}
