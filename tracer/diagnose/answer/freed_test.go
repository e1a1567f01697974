package answer

import (
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// freedBy is frees of so many samples, each for two blocks.
func freedBy(samples uint64, functions ...string) Freed {
	frames := append([]report.Frame{frame("free", 0)}, calls(functions...)...)
	target := watched().Target
	for i := range frames {
		MarkLibrary(&frames[i], &target)
	}
	return Freed{Samples: samples, Blocks: 2 * samples, OwnFrame: OwnFrame(frames, &target), Frames: frames}
}

func TestFreeSide(t *testing.T) {
	own := func(function string) *report.Frame {
		f := frame(function, 5)
		return &f
	}
	buffers := Frees{own("make_buffer"), []Freed{
		freedBy(50, "buffer_drop", "on_eof", "dispatch"), freedBy(20, "buffer_drop", "on_timeout", "dispatch"), freedBy(3, "buffer_drop", "on_close", "dispatch"),
	}}
	closed := Frees{own("make_session"), []Freed{freedBy(90, "session_close", "on_eof", "dispatch")}}
	rare := Frees{own("make_buffer"), []Freed{freedBy(50, "buffer_drop", "on_eof", "dispatch"), freedBy(leastMissing-1, "buffer_drop", "on_timeout", "dispatch")}}
	elsewhere := Frees{own("make_log"), []Freed{freedBy(50, "log_write", "on_timeout", "dispatch")}}
	for name, test := range map[string]struct {
		own              Frees
		siblings, others []Frees
		all              bool
		freed            uint64
		want             string
	}{
		"nothing":     {all: true},
		"not sampled": {all: true, freed: 7, siblings: []Frees{closed}},
		"one place":   {own: closed, all: true, want: "Its blocks are freed by session_close < on_eof (served.c:10)."},
		"shares": {
			own: Frees{By: []Freed{freedBy(2, "a", "x"), freedBy(97, "b", "y"), freedBy(1, "c", "z")}}, all: true,
			want: "Its blocks are freed by b < y (served.c:10) (97 %), a < x (served.c:10) (2 %) and others.",
		},
		"shares of few": {
			own: Frees{By: []Freed{freedBy(9, "b", "y"), freedBy(3, "a", "x")}}, all: true,
			want: "Its blocks are freed by b < y (served.c:10) and a < x (served.c:10).",
		},
		"mostly resized": {own: closed, all: true, freed: 1000},
		"too few seen": {
			own: Frees{By: []Freed{freedBy(5, "session_close", "on_eof", "dispatch")}}, others: []Frees{buffers}, all: true,
			want: "Its blocks are freed by session_close < on_eof (served.c:10).",
		},
		"missing in windows": {own: closed, others: []Frees{buffers}, want: "Its blocks are freed by session_close < on_eof (served.c:10)."},
		"missing where places are not known": {
			own: Frees{By: append([]Freed{{Samples: 1, Blocks: 1}}, closed.By...)}, others: []Frees{buffers}, all: true,
			want: "Its blocks are freed by session_close < on_eof (served.c:10) (99 %) and code that is not known (1 %).",
		},
		"missing": {
			own: closed, others: []Frees{elsewhere, buffers}, all: true,
			want: "Its blocks are freed by session_close < on_eof (served.c:10). on_timeout frees what make_buffer allocates, as on_eof does, but none of these.",
		},
		"too few to miss":      {own: closed, others: []Frees{rare}, all: true, want: "Its blocks are freed by session_close < on_eof (served.c:10)."},
		"no frees of one kind": {own: closed, others: []Frees{elsewhere}, all: true, want: "Its blocks are freed by session_close < on_eof (served.c:10)."},
		"freed there as well": {
			own: Frees{By: append([]Freed{freedBy(9, "session_close", "on_timeout", "dispatch"), freedBy(9, "session_close", "on_close", "dispatch")}, closed.By...)}, others: []Frees{buffers}, all: true,
			want: "Its blocks are freed by session_close < on_eof (served.c:10) (83 %), session_close < on_timeout (served.c:10) (8 %) and others.",
		},
		"siblings": {
			siblings: []Frees{closed}, all: true,
			want: "None of its blocks was freed. Others that make_session allocates are freed by session_close < on_eof (served.c:10).",
		},
		"siblings in windows": {
			siblings: []Frees{closed},
			want:     "No free of its blocks was seen. Others that make_session allocates are freed by session_close < on_eof (served.c:10).",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := leakOf("1", calls("make_session", "on_error"))
			s.FreedBlocks = test.freed
			side := FreeSide(&s, &FreeEvidence{
				Own: test.own, Siblings: func() []Frees { return test.siblings }, Others: func() []Frees { return test.others }, All: test.all,
			})
			if test.want == "" {
				if side != nil {
					t.Errorf("got %+v, want nothing", side)
				}
				return
			}
			if side == nil || side.Text != test.want {
				t.Fatalf("got %+v\nwant %s", side, test.want)
			}
			if (side.Missing != nil) != strings.Contains(test.want, "none of these") {
				t.Errorf("missing %+v", side.Missing)
			}
		})
	}
}
