package html

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"memtrace/tracer/report"
)

func render(t testing.TB, list ...*report.Report) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Write(&buf, list); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// cut returns what is between two texts.
func cut(t testing.TB, page []byte, from, to string) []byte {
	t.Helper()
	_, rest, ok := bytes.Cut(page, []byte(from))
	inside, _, ended := bytes.Cut(rest, []byte(to))
	if !ok || !ended {
		t.Fatalf("there is no %q with %q behind it", from, to)
	}
	return inside
}

// dataOf reads the data in a page as the scripts do.
func dataOf(t testing.TB, page []byte) (d data) {
	t.Helper()
	doc := cut(t, page, `class="data">`, "</script>")
	var packed string
	if json.Unmarshal(doc, &packed) == nil {
		zipped, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(packed)))
		if err != nil {
			t.Fatal(err)
		}
		if doc, err = io.ReadAll(zipped); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The frames of a stack must come out as they went in, and its figures, too.
func TestData(t *testing.T) {
	for name, r := range map[string]*report.Report{"small": leaking(), "packed": many(3000)} {
		t.Run(name, func(t *testing.T) {
			d := dataOf(t, render(t, r))
			for i := range r.Stacks {
				s := &r.Stacks[i]
				var got, want []string
				for at := d.Leaves[i]; at >= 0; at = d.Parents[at] {
					f := d.Frames[d.Nodes[at]]
					got = append(got, d.Strings[f[0]]+" "+d.Strings[f[1]]+" "+d.Strings[f[2]])
				}
				for _, f := range s.Frames {
					want = append(want, f.Function+" "+f.Module+" "+f.File)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("stack %d: %q, want %q", i, got, want)
				}
				var bytes uint64
				if err := json.Unmarshal(d.Columns["bytes"][i], &bytes); err != nil || bytes != s.Bytes {
					t.Fatalf("stack %d: %d bytes, want %d (%v)", i, bytes, s.Bytes, err)
				}
			}
			var bare report.Report
			if err := json.Unmarshal(d.Report, &bare); err != nil || bare.Target.PID != r.Target.PID || len(bare.Stacks) != 0 {
				t.Errorf("the report: %v, pid %d, %d stacks", err, bare.Target.PID, len(bare.Stacks))
			}
		})
	}
}

// Stacks that get their names only as the report is written have them in the page.
func TestLazyNames(t *testing.T) {
	r := leaking()
	frames := make(map[string][]report.Frame)
	for i := range r.Stacks {
		frames[r.Stacks[i].ID], r.Stacks[i].Frames = r.Stacks[i].Frames, nil
	}
	r.Name = func(s *report.Stack) { s.Frames = frames[s.ID] }
	page := render(t, r)
	if d := dataOf(t, page); !slices.Contains(d.Strings, "init_table_36") || bytes.Count(page, []byte("<code>init_table_3</code>")) < 1 {
		t.Errorf("names are missing: %q", d.Strings)
	}
	if r.Stacks[0].Frames != nil {
		t.Error("the report was changed")
	}
}

func TestPolicy(t *testing.T) {
	page := render(t, leaking())
	_, script, _ := bytes.Cut(page, []byte("</article>"))
	for kind, text := range map[string][]byte{"script": cut(t, script, "<script>", "</script>"), "style": cut(t, page, "<style>", "</style>")} {
		sum := sha256.Sum256(text)
		want := kind + "-src &#39;sha256-" + strings.ReplaceAll(base64.StdEncoding.EncodeToString(sum[:]), "+", "&#43;") + "&#39;"
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the policy lacks %s", want)
		}
	}
	if !bytes.Contains(page, []byte("default-src &#39;none&#39;")) {
		t.Error("the policy lets in what it does not name")
	}
	if !strings.Contains(string(page), "Permission is hereby granted") {
		t.Error("the page lacks the licence of what is in it")
	}
	if found := regexp.MustCompile(`(?i)\b(src|href)="?https?:`).Find(page); found != nil {
		t.Errorf("the page refers to %s", found)
	}
}

// hiddenRunes steer what is around them.
var hiddenRunes = []string{"\u2028", "\u202e", "\x1b", "\x00", "\u0085"}

// A hostile program's names stay text, also for readers that are no browser.
func TestHostile(t *testing.T) {
	page := render(t, hostile(), hostile())
	if n := bytes.Count(bytes.ToLower(page), []byte("<script")); n != 3 {
		t.Errorf("%d scripts, want one and the data of two reports", n)
	}
	for _, evil := range append([]string{"<img", "<base", "<!--"}, hiddenRunes...) {
		if bytes.Contains(page, []byte(evil)) {
			t.Errorf("the page has %q", evil)
		}
	}
	names := dataOf(t, page).Strings
	if !slices.Contains(names, nasty[0]) || !slices.Contains(names, `rtl\u{202e}\u{2066}\u{200f} evil`) {
		t.Errorf("names are missing: %q", names)
	}
}

// What was estimated says so, and nothing is said of what was not looked at.
func TestEstimates(t *testing.T) {
	r := windows()
	r.MallocSplit.Brk = report.Share{}
	page := string(render(t, r))
	for _, part := range []string{"<b>~472.0 KiB/s</b> <small>estimated, 95 %: 400.0 KiB/s to 500.0 KiB/s</small>", "leak ~420.0 KiB/s [378.0 - 504.0]", "not known", "windows: estimates"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	said, _, _ := strings.Cut(page, `class="data">`)
	if strings.Contains(said, "thread arenas") || strings.Contains(said, "<dt>outstanding") {
		t.Error("the page tells what is held, which is not known")
	}
}

// The scripts are told what stacks are taken for, and how fast estimates leak as the allocator takes it.
func TestJudged(t *testing.T) {
	r := windows()
	r.Stacks[0].LeakBytesPerSecond = 2 * r.Stacks[0].Estimate.LeakBytesPerSecond.Value
	r.Stacks[1].Estimate.Class, r.Stacks[1].Estimate.LeakBytesPerSecond = "possible leak", report.Bounds{Value: 4, Low: 3, High: 5}
	r.Stacks = append(r.Stacks, report.Stack{ID: "g1", Kind: report.Grown, Class: report.ClassLeak})
	d := dataOf(t, render(t, r))
	for name, want := range map[string]string{
		"verdict": `["leak" "possible leak" "undecided" "does not grow" "keeps growing"]`, "severity": `[2 1 0 0 2]`,
		"leak": `[860160 4]`, "leak_low": `[774144 3]`, "leak_high": `[1032192 5]`,
	} {
		if got := fmt.Sprintf("%s", d.Columns[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// What tracing has cost is told of every trace of which that is known.
func TestCost(t *testing.T) {
	exact := leaking()
	exact.Overhead = 0.0042
	for _, tc := range []struct {
		r    *report.Report
		want []string
	}{
		{exact, []string{"exact, cost 0.4 %", "0.42 % of the process&#39;s time<"}},
		{windows(), []string{"windows, 61 windows, cost 2.9 %", "2.87 % of the process&#39;s time, of at most 3.0 %; probes 2.51 %"}},
	} {
		page := string(render(t, tc.r))
		for _, part := range tc.want {
			if !strings.Contains(page, part) {
				t.Errorf("%s: the page lacks %q", tc.r.Mode, part)
			}
		}
	}
	if page := string(render(t, leaking())); strings.Contains(page, "exact, cost") || strings.Contains(page, "<dt>cost") {
		t.Error("the page tells a cost that is not known")
	}
}

// All that was lost is told.
func TestLosses(t *testing.T) {
	r := leaking()
	r.Events.Lost = report.Lost{Alloc: 3, Free: 4, Stack: 5, Mmap: 17}
	page := string(render(t, r))
	for _, part := range []string{"lost allocations</dt><dd>3<", "lost frees</dt><dd>4<", "unreadable stacks</dt><dd>5<", "lost mmaps</dt><dd>17<"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

func TestTouched(t *testing.T) {
	r := leaking()
	r.Mode = report.ModeGrowth
	r.Growth = &report.Growth{Faults: report.Faults{Sampled: true}, FaultStacks: []report.FaultStack{{
		ID: "f1", FaultEstimate: report.FaultEstimate{Bytes: 3 << 20, Samples: 12, Estimated: true},
		Classes: []report.ClassBytes{{Class: "brk", Label: "brk heap", Bytes: 3 << 20}}, Frames: []report.Frame{frame("touch_pages", program, "/src/t.c", 5)},
	}}}
	table := string(cut(t, render(t, r), "Where memory was touched first", "</section>"))
	for _, part := range []string{"touch_pages", "t.c:5", "brk heap", "3.0 MiB", "12", "estimates"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table lacks %q: %s", part, table)
		}
	}
}

// Every part of the page may be missing.
func TestBare(t *testing.T) {
	page := string(render(t, &report.Report{Schema: report.Schema, Target: report.Target{PID: 1, Command: "x"}, Mode: report.ModeExact}))
	for _, part := range []string{"x (pid 1) was looked at, without an answer.", "No stack holds anything.", "incomplete"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

// A program with very long names must not make memtrace take very much memory.
func TestLongNames(t *testing.T) {
	r := leaking()
	r.Stacks = nil
	for i := range 1000 {
		s := report.Stack{ID: "1", Kind: report.Heap, Bytes: 1, Blocks: 1}
		for k := range 8 {
			s.Frames = append(s.Frames, report.Frame{Function: fmt.Sprint(i, " ", k, strings.Repeat("x", 5000)), Module: program})
		}
		r.Stacks = append(r.Stacks, s)
	}
	taken := 0
	for _, name := range dataOf(t, render(t, r)).Strings {
		taken += len(name)
	}
	if taken > mostNames+1<<20 {
		t.Errorf("names take %d bytes", taken)
	}
}

func TestSize(t *testing.T) {
	const most = 10e6
	if n := len(render(t, many(20_000))); n > most {
		t.Errorf("20,000 stacks take %d bytes, more than %.0f", n, most)
	}
}
