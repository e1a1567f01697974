package answer

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// kinds has evidence for each kind of finding, and the function that the first line must name.
func kinds() map[report.FindingKind]struct {
	e       *Evidence
	culprit string
} {
	type row = struct {
		e       *Evidence
		culprit string
	}
	growing := func(class string, bytes int64) *report.Report {
		r := watched()
		grow(r, class, bytes)
		return r
	}
	rows := map[report.FindingKind]row{
		report.Leak: {with(growing("brk", 112000+20<<10),
			leakOf("a1", calls("make_session", "handle_request")), heap("a2", 100, 50, 0, calls("init_tables"))), "make_session"},
		report.ActiveLeak: {with(inWindows(growing("brk", 60<<10)),
			estimated("b1", "active leak", 2500, 2000, 3100, calls("remember", "handle_request"))), "remember"},
		report.CacheFills: {with(growing("brk", 1<<20),
			heap("c1", 1000, 1000, 0, calls("load_table", "setup"))), "load_table"},
		report.CacheReplaces: {replacing(), "cache_fill"},
		report.NeverFreed:    {ended(), "open_log"},
		report.KeepsFree:     {keeping(), "malloc keeps"},
		report.UnjoinedThreads: {threads(with(growing("thread_stack", 12<<20),
			mapping("d1", 100, 8<<20, 40<<20, append([]report.Frame{frame("__mmap", 0), frame("allocate_stack", 0), frame("__pthread_create_2_1", 0)}, calls("play_tone")...)))), "play_tone"},
		report.Reserved: {reserving(), "reserve_range"},
		report.Pool: {with(growing("mmap", 3<<20),
			mapping("e1", 1, 1<<20, 0, python("json_dumps")), mapping("e2", 1, 1<<20, 0, python("list_resize")), mapping("e3", 1, 1<<20, 0, python("dict_new"))), "pymalloc"},
		report.UnknownAllocator: {unknown(), "allocator that is not traced"},
		report.Unexplained:      {with(growing("shared", 8<<20)), "shared memory"},
		report.FilePages:        {reading(), "pages of files"},
		report.Children:         {children(), "3 children"},
		report.Held:             {stoppedNow(), "stopped"},
		report.Nothing:          {with(watched(), heap("f1", 3, 40, 0, calls("init"))), "does not grow"},
		report.TooShort:         {short(), "too short"},
	}
	return rows
}

// reading is a process that reads a file that it has mapped.
func reading() *Evidence {
	r := watched()
	r.Memory.ResidentGrowthBytes, r.Memory.ResidentGrowthBytesPerSecond, r.Memory.ResidentGrowing = 20<<20, 1<<20, true
	for i := range r.Memory.Regions {
		if g := &r.Memory.Regions[i]; g.Class == "file" {
			g.ResidentGrowthBytes = 20 << 20
		}
	}
	reserved := mapping("m1", 1, 8<<20, 0, calls("reserve_range"))
	reserved.ReservedBytes = reserved.Bytes
	return with(r, reserved)
}

// Reserved addresses are not the files whose pages grow.
func TestFilePagesHaveNoStack(t *testing.T) {
	if f := answered(reading()).Diagnosis.Findings[0]; f.Kind != report.FilePages || len(f.Stacks) != 0 || f.StacksTotal != 0 {
		t.Errorf("%s has the stacks %q", f.Kind, f.Stacks)
	}
}

func replacing() *Evidence {
	s := heap("g1", 1000, 300, 15000, calls("cache_fill"))
	s.ReplacedBytes = s.Taken()
	e := with(watched(), s)
	e.OldFreed = report.Sum{Bytes: s.Taken(), Blocks: 1000}
	return e
}

func ended() *Evidence {
	r := watched()
	r.Target.Exited, r.DurationSeconds, r.OlderSeconds = true, 1.2, 0
	return with(r, heap("h1", 5, 202, 0, calls("open_log")), heap("h2", 1, 16, 0, calls("init")))
}

// What the dynamic loader keeps is not the program's, unless there is nothing else.
func TestLoaderIsNotBlamed(t *testing.T) {
	loading := append([]report.Frame{{Function: "malloc", Module: "/lib64/ld-linux-x86-64.so.2", Inline: true}}, calls("load_plugins")...)
	e := ended()
	e.Report.Stacks = append(e.Report.Stacks, heap("h3", 2, 2304, 0, loading))
	if got := Of(e).Answer; !strings.Contains(got, "open_log") {
		t.Errorf("got %q", got)
	}
	e.Report.Stacks = e.Report.Stacks[2:]
	if got := Of(e).Answer; !strings.Contains(got, "load_plugins") {
		t.Errorf("with nothing else: got %q", got)
	}
}

func keeping() *Evidence {
	e := with(watched(), heap("i1", 3, 40, 0, calls("init")))
	e.Kept = &Kept{System: 112 << 20, Free: 98 << 20, Complete: true, Arenas: 15}
	e.KeptFirst = &Kept{System: 112 << 20, Free: 98 << 20, Complete: true, Arenas: 15}
	return e
}

func threads(e *Evidence) *Evidence {
	e.Threads = 1
	e.Report.Stacks[0].ReservedBytes = 100*8<<20 - 12<<20
	return e
}

func reserving() *Evidence {
	s := mapping("j1", 1, 8<<30, 0, calls("reserve_range"))
	s.ReservedBytes = s.Bytes
	return with(watched(), s)
}

func python(function string) []report.Frame {
	frames := append([]report.Frame{frame("__mmap", 0), {Function: "_PyObject_ArenaMmap", Module: "/usr/bin/python3.11"}}, calls(function)...)
	return frames
}

func unknown() *Evidence {
	r := watched()
	grow(r, "mmap", 8<<20)
	r.Events.Alloc, r.MallocSplit, r.Target.Allocator = 0, nil, "unknown"
	e := with(r)
	e.Allocators = 0
	return e
}

func children() *Evidence {
	e := with(watched())
	for i := range 3 {
		e.Children = append(e.Children, report.Child{PID: 5001 + i, Command: "worker", GrowthBytes: 5 << 20, BytesPerSecond: 250000, Growing: true, Seconds: 20})
	}
	return e
}

func stoppedNow() *Evidence {
	e := with(watched())
	e.Held = Held{Now: true, Part: 1}
	return e
}

func short() *Evidence {
	r := watched()
	r.DurationSeconds = 1.2
	grow(r, "brk", 132<<10)
	return with(r, leakOf("k1", calls("make_session")))
}

// screen is the report as a terminal of 80 columns and 24 lines shows it.
func screen(t *testing.T, r *report.Report) string {
	t.Helper()
	var buf bytes.Buffer
	if err := report.Text(&buf, r, report.TextOptions{Width: 80, Height: 23, Top: 10}); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func answered(e *Evidence) *report.Report {
	e.Judge()
	e.Report.Diagnosis = Of(e)
	return e.Report
}

// Each kind of finding is found, named on the first line and shown on one screen.
func TestKinds(t *testing.T) {
	for kind, row := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := answered(row.e)
			first := &r.Diagnosis.Findings[0]
			if first.Kind != kind {
				t.Errorf("the first finding is %s: %s", first.Kind, r.Diagnosis.Answer)
			}
			if !strings.Contains(r.Diagnosis.Answer, row.culprit) {
				t.Errorf("the answer lacks %q: %s", row.culprit, r.Diagnosis.Answer)
			}
			text := screen(t, r)
			if n := strings.Count(text, "\n"); n > 23 {
				t.Errorf("%d lines", n)
			}
			path := filepath.Join("testdata", string(kind)+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
