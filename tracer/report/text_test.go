package report

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// checkLines fails the test where text has a line of more than width columns, or characters
// that must not be shown.
func checkLines(t *testing.T, text string, width int) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	for line := range strings.Lines(text) {
		line, ok := strings.CutSuffix(line, "\n")
		if !ok {
			t.Errorf("no newline at the end of %q", line)
		}
		if n := columns(line); n > width {
			t.Errorf("%d columns, want at most %d: %q", n, width, line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Errorf("%U in %q", r, line)
			}
		}
	}
}

func TestTextFitsWidth(t *testing.T) {
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) {
			for width := minWidth; width <= 140; width++ {
				checkLines(t, string(render(t, asText(TextOptions{Width: width}), r)), width)
				checkLines(t, string(render(t, asText(TextOptions{Width: width, Verbose: true, Top: 1, Frames: 1}), r)), width)
			}
			checkLines(t, string(render(t, asText(TextOptions{}), r)), 80)
		})
	}
}

func TestTextLeavesNoTrailingSpace(t *testing.T) {
	for name, r := range fixtures() {
		if name == "hostile" {
			continue // some of its names end in spaces
		}
		for line := range strings.Lines(string(render(t, asText(TextOptions{Verbose: true}), r))) {
			if strings.HasSuffix(line, " \n") {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
}

// Color adds nothing but the sequences of the styles, and closes each on the line that opened
// it.
func TestTextColor(t *testing.T) {
	for name, r := range fixtures() {
		want := string(render(t, asText(TextOptions{}), r))
		colored := string(render(t, asText(TextOptions{Color: true}), r))
		for line := range strings.Lines(colored) {
			on := strings.Count(line, string(bold)) + strings.Count(line, string(dim)) + strings.Count(line, string(alarm))
			if off := strings.Count(line, styleOff); on != off {
				t.Errorf("%s: %d styles on, %d off in %q", name, on, off, line)
			}
		}
		got := strings.NewReplacer(string(bold), "", string(dim), "", string(alarm), "", styleOff, "").Replace(colored)
		if got != want {
			t.Errorf("%s: the coloured report without its colours is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestTextSaysWhatIsLost(t *testing.T) {
	for _, tc := range []struct {
		complete bool
		lost     Lost
		want     string
	}{
		{true, Lost{}, ""},
		{false, Lost{}, "not everything was recorded: figures are lower bounds"},
		{false, Lost{Alloc: 1, AllocBytes: 24}, "1 allocation (24 B) lost: figures are lower bounds"},
		{false, Lost{Stack: 3, Mmap: 2}, "2 mmap events lost, 3 stacks unreadable: figures are lower bounds"},
		{true, Lost{Free: 1}, "1 free lost: figures may be too high or too low"},
	} {
		r := fixture()
		r.Complete, r.Events.Lost = tc.complete, tc.lost
		if got := r.Losses(); got != tc.want {
			t.Errorf("complete %v, lost %+v: %q, want %q", tc.complete, tc.lost, got, tc.want)
		}
		text := string(render(t, asText(TextOptions{Width: 200}), r))
		if got := strings.Contains(text, "INCOMPLETE: "+tc.want); got != (tc.want != "") {
			t.Errorf("complete %v, lost %+v:\n%s", tc.complete, tc.lost, text)
		}
		if got := strings.Contains(text, "nothing lost"); got != (tc.want == "") {
			t.Errorf("complete %v, lost %+v:\n%s", tc.complete, tc.lost, text)
		}
	}
}

func TestTextBareReport(t *testing.T) {
	got := string(render(t, asText(TextOptions{}), &Report{Complete: true}))
	want := "memtrace:  (pid 0)\nEvery call traced for 0 s, nothing lost.\ntraced 0 s\n0 allocations, 0 frees\nNothing is outstanding.\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrors(t *testing.T) {
	r := typical()
	for name, err := range map[string]error{
		"Text":   Text(brokenWriter{}, r, TextOptions{}),
		"JSON":   JSON(brokenWriter{}, r),
		"Folded": Folded(brokenWriter{}, r),
		"Pprof":  Pprof(brokenWriter{}, r),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range hostile().Stacks {
		f.Add(s.Frames[0].Function, s.Frames[0].Module, s.Frames[0].File, "cmd", "a note", uint64(1000), uint64(2), 1.5, 80, 3)
	}
	for _, fr := range wideNames().Stacks[0].Frames[:7] {
		f.Add(fr.Function, fr.Module, fr.File, "搜索", "", uint64(1<<63), uint64(1<<63), -1e9, 41, 99)
	}
	f.Fuzz(func(t *testing.T, function, module, file, command, note string, bytes, blocks uint64, rate float64, width, line int) {
		r := fuzzReport(function, module, file, bytes, blocks, line)
		r.Target.Command, r.Target.Exe, r.Target.Libc, r.Target.Allocator = command, module, file, note
		r.Notes, r.Mode = []string{note}, command
		r.Complete = bytes%2 == 0
		r.Events = Events{Alloc: bytes, Free: blocks, Evicted: blocks, Lost: Lost{Alloc: blocks, AllocBytes: bytes}}
		r.DurationSeconds, r.OlderSeconds = rate, -rate
		r.End = time.Unix(int64(line), 0).UTC()
		for i := range r.Stacks {
			s := &r.Stacks[i]
			s.GrowthBytesPerSecond, s.Survival, s.OldestSeconds = rate, rate, rate
			s.BlockList = []Block{{Address: bytes, Bytes: blocks, AgeSeconds: rate}}
			s.ID, s.Kind = note, StackKind(command)
		}
		limit := max(width, minWidth)
		if width <= 0 {
			limit = defaultWidth
		}
		for _, opt := range []TextOptions{{Width: width}, {Width: width, Verbose: true, Top: 1, Frames: 2}} {
			checkLines(t, string(render(t, asText(opt), r)), limit)
		}
	})
}

// fuzzReport has two stacks made of the arguments.
func fuzzReport(function, module, file string, bytes, blocks uint64, line int) *Report {
	fr := Frame{Address: bytes ^ blocks, Function: function, Module: module, Offset: bytes, File: file, Line: line}
	unknown := Frame{Address: blocks, Module: module, Offset: blocks}
	inlined := fr
	inlined.Inline = true
	return &Report{
		Outstanding: Sum{Bytes: bytes, Blocks: blocks},
		Stacks: []Stack{
			{Bytes: bytes / 2, Blocks: blocks, Truncated: true, Frames: []Frame{fr, fr, fr, fr, fr, unknown}},
			{Bytes: bytes / 4, Blocks: 1, Frames: []Frame{inlined, fr, {Address: bytes}, {}}},
			{Bytes: bytes / 8},
		},
		StacksTotal: line,
	}
}

// Where no window was observed whole, the report says nothing of leaks, neither that there are
// any nor that there are none.
func TestTextWithoutWindows(t *testing.T) {
	r := windows()
	r.Stacks = r.Stacks[2:3]
	r.Sampling.Windows, r.Sampling.TracedSeconds = 0, 0
	for dropped, want := range map[uint64]string{0: "Watched in windows of time", 7: "give a larger --ring-size"} {
		r.Sampling.Dropped = dropped
		text := strings.Join(strings.Fields(string(render(t, asText(TextOptions{}), r))), " ")
		if !strings.Contains(text, want) || strings.Contains(text, "No stack is called") {
			t.Errorf("with %d dropped:\n%s", dropped, text)
		}
	}
}
