package changes

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// of is a stack of some frames, the innermost first, "function:line".
func of(bytes, blocks uint64, frames ...string) report.Stack {
	s := report.Stack{Kind: report.Heap, Bytes: bytes, Blocks: blocks}
	for i, f := range frames {
		name, line, _ := strings.Cut(f, ":")
		s.Frames = append(s.Frames, report.Frame{
			Address: uint64(i + 1), Function: name, Module: "/srv/server", File: "s.c", Line: len(line), Offset: uint64(10*i + len(line)),
		})
	}
	return s
}

// trace is a report of so many seconds.
func trace(build string, seconds float64, stacks ...report.Stack) *report.Report {
	return &report.Report{
		Schema: report.Schema, Mode: report.ModeExact, Complete: true, DurationSeconds: seconds, End: time.Unix(1e9, 0),
		Target: report.Target{PID: 7, Command: "server", Exe: "/srv/server", Modules: []report.Module{{Path: "/srv/server", BuildID: build}}},
		Stacks: stacks,
	}
}

func record(r *report.Report) *Side { return FromReports("record", "x.rec", []*report.Report{r}) }

// states maps the innermost function of each stack that changed to what became of it.
func states(d *report.Diff) map[string]report.DiffState {
	all := make(map[string]report.DiffState)
	for _, s := range d.Stacks {
		all[s.Frames[0].Function] = s.State
	}
	return all
}

// What grew, shrank, came and went is told, and most of what grew is in the first line.
func TestWhatChanged(t *testing.T) {
	from := trace("aa11", 60, of(1000, 1, "make", "main"), of(500, 5, "old", "main"), of(300, 3, "cache", "main"), of(9, 9, "same", "main"))
	to := trace("aa11", 60, of(41000, 41, "make", "main"), of(100, 1, "cache", "main"), of(3000, 2, "new", "main"), of(9, 9, "same", "main"))
	d := Of(record(from), record(to), Options{})
	want := map[string]report.DiffState{"make": "grew", "old": "vanished", "cache": "shrank", "new": "appeared"}
	for function, state := range want {
		if got := states(d)[function]; got != state {
			t.Errorf("%s %s, want %s", function, got, state)
		}
	}
	if d.Bytes.Change != 42300 || d.Grew != 43000 || d.Shrank != 700 || d.Unchanged != 1 || d.Per != "" || d.Bytes.Low != d.Bytes.High {
		t.Errorf("%+v", d)
	}
	if d.Answer != "+41.3 KiB: 93 % in make < main (server)" {
		t.Errorf("%q", d.Answer)
	}
	if top := Of(record(from), record(to), Options{Top: 2}); len(top.Stacks) != 2 || top.StacksTotal != 4 || top.Counts["vanished"] != 1 {
		t.Errorf("%+v", top)
	}
	shrinks := Of(record(to), record(from), Options{})
	if shrinks.Answer != "-41.3 KiB: 93 % in make < main (server)" {
		t.Errorf("%q", shrinks.Answer)
	}
	if none := Of(record(to), record(to), Options{}); none.Answer != "±0 B: no stack changed" || len(none.Stacks) != 0 {
		t.Errorf("%q", none.Answer)
	}
}

// The time that a change took is told where the change over it is a rate.
func TestOverSeconds(t *testing.T) {
	stack := of(1000, 1, "make", "main")
	leak := stack
	leak.LeakBytesPerSecond = 10
	moment := func(at int64) *Side {
		s := record(trace("aa11", float64(at), stack))
		s.Path, s.At = "x.rec", time.Unix(at, 0)
		return s
	}
	for name, tc := range map[string]struct {
		from, to *Side
		opt      Options
		want     float64
	}{
		"moments of a record":   {moment(60), moment(100), Options{Absolute: true}, 40},
		"times alike":           {record(trace("aa11", 60, stack)), record(trace("bb22", 60.5, stack)), Options{}, 60.5},
		"the longer one scaled": {record(trace("aa11", 10, stack)), record(trace("aa11", 100, leak)), Options{}, 10},
		"as they are":           {record(trace("aa11", 10, stack)), record(trace("aa11", 100, leak)), Options{Absolute: true}, 0},
		"by units":              {moment(60), moment(100), Options{Per: [2]float64{1, 2}, Unit: "request"}, 0},
		"unknown times":         {record(trace("aa11", 0, stack)), record(trace("aa11", 0, stack)), Options{}, 0},
	} {
		if d := Of(tc.from, tc.to, tc.opt); d.OverSeconds != tc.want {
			t.Errorf("%s: over %g s, want %g", name, d.OverSeconds, tc.want)
		}
	}
}

// In one build two lines of a function are two places. In another release the lines have moved, and
// the functions count.
func TestJoinsReleases(t *testing.T) {
	from := trace("aa11", 60, of(100, 1, "make:1", "main:1"), of(200, 1, "make:22", "main:1"))
	for build, stacks := range map[string]int{"aa11": 3, "bb22": 1} {
		to := trace(build, 60, of(150, 1, "make:1", "main:1"), of(300, 1, "make:333", "main:1"))
		d := Of(record(from), record(to), Options{})
		if d.Bytes.Change != 150 || len(d.Stacks) != stacks {
			t.Errorf("build %s: %v in %d stacks, want %d", build, d.Bytes.Change, len(d.Stacks), stacks)
		}
	}
	// A frame without a name is its place in one build, and only its file in another.
	bare := func(build string, offset uint64) *report.Report {
		s := of(100*offset, 1, "make", "main")
		s.Frames[0].Function, s.Frames[0].File, s.Frames[0].Offset = "", "", offset
		return trace(build, 60, s)
	}
	for build, stacks := range map[string]int{"aa11": 2, "bb22": 1} {
		if d := Of(record(bare("aa11", 5)), record(bare(build, 6)), Options{}); len(d.Stacks) != stacks {
			t.Errorf("build %s: %d stacks without names, want %d", build, len(d.Stacks), stacks)
		}
	}
}

// Of traces of other lengths what leaks is scaled to the shorter one, and what does not leak stays as
// it is. With units of the user's amounts are divided by these, and moments of one record are not.
func TestNormalises(t *testing.T) {
	from, to := trace("aa11", 10, of(1000, 10, "make", "main")), trace("aa11", 100, of(20000, 200, "make", "main"))
	one := func(opt Options) *report.Diff { return Of(record(from), record(to), opt) }
	if d := one(Options{}); d.Per != "" || d.AsAfterSeconds != 10 || d.Bytes.Change != 19000 || !strings.HasPrefix(d.Answer, "+18.6 KiB as after 10.0 s: ") || len(d.Notes) != 1 {
		t.Errorf("%+v", d)
	}
	to.Stacks[0].LeakBytesPerSecond = 200
	if d := one(Options{}); d.Bytes.From != 1000 || d.Bytes.To != 2000 {
		t.Errorf("of a leak: %+v", d)
	}
	cached := func(r *report.Report) *report.Report {
		r.Stacks = append(r.Stacks, of(100<<20, 100, "fill_cache", "main"))
		return r
	}
	if d := Of(record(cached(trace("aa11", 60))), record(cached(trace("aa11", 600))), Options{}); len(d.Stacks) != 0 || d.Unchanged != 1 {
		t.Errorf("of a cache: %+v", d)
	}
	if d := one(Options{Per: [2]float64{10, 100}, Unit: "second"}); d.Per != "second" || !strings.HasPrefix(d.Answer, "+100 B per second: ") {
		t.Errorf("%+v", d)
	}
	if d := one(Options{Absolute: true}); d.Per != "" || d.Bytes.Change != 19000 {
		t.Errorf("%+v", d)
	}
	if d := one(Options{Per: [2]float64{100, 4000}, Unit: "request"}); d.Per != "request" || d.Bytes.Change != -5 || !strings.HasPrefix(d.Answer, "-5 B per request: all in make") {
		t.Errorf("%+v", d)
	}
	a, b := record(from), record(to)
	a.Path, b.Path, a.At, b.At = "x.rec", "x.rec", time.Unix(0, 0), time.Unix(60, 0)
	if d := Of(a, b, Options{}); d.Per != "" || !strings.HasPrefix(d.Answer, "+18.6 KiB in 1 min 0 s: all in make") {
		t.Errorf("%+v", d)
	}
}

// Of lists that were cut, a stack that only one of them has is not certain, and counts for nothing.
func TestCutLists(t *testing.T) {
	from := trace("aa11", 60, of(5000, 5, "old", "main"), of(1000, 1, "make", "main"))
	to := trace("aa11", 60, of(7000, 7, "new", "main"), of(4000, 4, "make", "main"))
	from.StacksTotal, to.StacksTotal = 12, 9
	for _, form := range []string{"json", "pprof"} {
		sides := [2]*Side{}
		for i, r := range []*report.Report{from, to} {
			var err error
			if sides[i], err = Load(written(t, form, r)); err != nil {
				t.Fatal(err)
			}
		}
		d := Of(sides[0], sides[1], Options{})
		if states(d)["old"] != report.DiffUncertain || states(d)["new"] != report.DiffUncertain || d.Unlisted != 2 || d.Bytes.Change != 3000 || d.Grew != 3000 || d.Shrank != 0 {
			t.Errorf("%s: %+v", form, d)
		}
		if want := "+2.9 KiB in the stacks that are known of both: all in make < main"; !strings.HasPrefix(d.Answer, want) || len(d.Notes) != 2 || !strings.Contains(d.Notes[0], "only 2 of 12 stacks are known") {
			t.Errorf("%s: %q, %q", form, d.Answer, d.Notes)
		}
		var text bytes.Buffer
		if err := report.DiffText(&text, d, report.TextOptions{}); err != nil || strings.Contains(text.String(), "  new  +") || strings.Contains(text.String(), "gone") || !strings.Contains(text.String(), "6.8 KiB  in one list alone: not certain") {
			t.Errorf("%v: %s", err, text.String())
		}
	}
	// What a whole list does not have was not there.
	whole := trace("aa11", 60, of(1000, 1, "make", "main"))
	if d := Of(record(whole), record(to), Options{}); states(d)["new"] != report.DiffAppeared || d.Unlisted != 0 || d.Bytes.Change != 10000 {
		t.Errorf("%+v", d)
	}
	if d := Of(record(trace("aa11", 60, of(8, 1, "other"))), record(to), Options{}); d.Unlisted != 1 {
		t.Errorf("%+v", d)
	}
}

// Estimates are compared as rates of leaks, with bounds, and what these leave open is not claimed.
func TestEstimates(t *testing.T) {
	windows := func(value, low, high float64) *report.Report {
		s := of(0, 0, "make", "main")
		s.Estimate = &report.Estimate{Class: "leak", LeakBytesPerSecond: report.Bounds{Value: value, Low: low, High: high}}
		r := trace("aa11", 60, s)
		r.Mode, r.Sampling = report.ModeWindows, &report.Sampling{}
		return r
	}
	d := Of(record(windows(2000, 1000, 3000)), record(windows(9000, 8000, 10000)), Options{})
	if c := d.Stacks[0].Bytes; !d.Estimated || c.Change != 7000 || c.Low != 5000 || c.High != 9000 || d.Stacks[0].State != "grew" {
		t.Errorf("%+v", d)
	}
	if want := "~+6.8 KiB/s [+4.9 KiB/s - +8.8 KiB/s]: all in make"; !strings.HasPrefix(d.Answer, want) {
		t.Errorf("%q", d.Answer)
	}
	d = Of(record(windows(2000, 1000, 3000)), record(windows(3000, 2500, 4000)), Options{})
	if d.Stacks[0].State != report.DiffUncertain || d.Grew != 0 || !strings.HasSuffix(d.Answer, ": no certain change") {
		t.Errorf("%+v", d)
	}
}

// written is a report in a form of its own, in a file.
func written(t testing.TB, form string, r *report.Report) string {
	t.Helper()
	f, _ := report.FindForm(form)
	var buf bytes.Buffer
	if err := f.Write(&buf, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), form)
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Reports in JSON and profiles are compared like records, also with one another.
func TestLoads(t *testing.T) {
	from, to := trace("aa11", 60, of(1000, 1, "make", "main")), trace("bb22", 60, of(3000, 3, "make", "main"), of(7, 1, "new", "main"))
	for _, forms := range [][2]string{{"json", "json"}, {"pprof", "pprof"}, {"json", "pprof"}} {
		a, err := Load(written(t, forms[0], from))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Load(written(t, forms[1], to))
		if err != nil {
			t.Fatal(err)
		}
		d := Of(a, b, Options{})
		if d.Bytes.Change != 2007 || d.Blocks.Change != 3 || len(d.Stacks) != 2 || !strings.Contains(d.Answer, "in make < main") {
			t.Errorf("%v: %+v", forms, d)
		}
		if a.Processes != "server (pid 7)" {
			t.Errorf("%v: of %q", forms, a.Processes)
		}
	}
}

// A profile that is small only while it is packed does not take the memory.
func TestLoadRefusesBombs(t *testing.T) {
	pack := func(text []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	zeros := pack(make([]byte, 1<<20))
	for want, b := range map[string][]byte{
		"it has more than":   bytes.Repeat(zeros, mostProfile>>20+1), // what was packed in parts is one
		"it is packed twice": pack(zeros),
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                            " is empty",
		"{}":                          "is no report of memtrace -f json: it has no schema",
		`{"schema": "memtrace/9"}`:    `its schema is "memtrace/9", not "memtrace/1"`,
		`{"schema": "memtrace/1"}`:    "its mode is unknown",
		`{"schema": "memtrace/1", "m`: "unexpected EOF",
		`{"schema": "memtrace/1", "mode": "exact", "stacks": 7}`: "cannot unmarshal number",
		`{"schema": "memtrace-diff/1", "stacks": []}`:            `its schema is "memtrace-diff/1"`,
		"\x7fELF": "is no record, no report in JSON, and no profile of pprof (",
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

// Tools read the forms: go tool pprof the profile of a difference and, by -diff_base, two profiles.
func TestToolsReadIt(t *testing.T) {
	from, to := trace("aa11", 60, of(1000, 1, "make", "main"), of(5000, 1, "old", "main")), trace("aa11", 60, of(4000, 4, "make", "main"))
	d := Of(record(from), record(to), Options{})
	outputs := make(map[string]string)
	for _, f := range report.DiffForms {
		var buf bytes.Buffer
		if err := f.Write(&buf, d, report.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		outputs[f.Name] = buf.String()
	}
	if want := "main;make 1000 4000\nmain;old 5000 0\n"; outputs["folded"] != want {
		t.Errorf("%q", outputs["folded"])
	}
	if !strings.Contains(outputs["json"], `"state": "vanished"`) || !strings.Contains(outputs["text"], "gone") {
		t.Error(outputs)
	}
	path := filepath.Join(t.TempDir(), "d.pb.gz")
	if err := os.WriteFile(path, []byte(outputs["pprof"]), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{path}, {"-diff_base", written(t, "pprof", from), written(t, "pprof", to)}} {
		out, err := exec.Command("go", append([]string{"tool", "pprof", "-symbolize=none", "-unit=B", "-top"}, args...)...).CombinedOutput()
		if text := strings.Join(strings.Fields(string(out)), " "); err != nil || !strings.Contains(text, "-5000B") || !strings.Contains(text, "3000B") {
			t.Errorf("%v, %s", err, out)
		}
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "it is a difference already") {
		t.Error(err)
	}
}

// A sum of processes that ended is called what it is in a report, and not by the pid of one of them.
func TestSideOfSum(t *testing.T) {
	r := trace("aa11", 60)
	r.Target.Processes = 3
	if got := record(r).Processes; got != "server (3 processes that ended)" {
		t.Errorf("it is %q", got)
	}
}
