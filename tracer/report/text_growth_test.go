package report

import (
	"strings"
	"testing"
)

// touching is a report of growth that no stack accounts for.
func touching(kind FindingKind, stacks ...string) *Report {
	r := growthFixture()
	r.Diagnosis = diagnosisOf(r, Finding{
		Kind: kind, BytesPerSecond: Bounds{2048, 2048, 2048}, Stacks: stacks,
		Text: "grows 2.0 KiB/s in memory that it had mapped before, by no stack that was traced",
	})
	f := &r.Growth.FaultStacks[0]
	memset := libcStart()
	memset.Function, memset.Library = "memset", true
	f.Frames = append([]Frame{memset}, f.Frames...)
	f.OwnFrame = 1
	return r
}

// If the answer is about memory that no stack accounts for, who touched it comes first, also
// where lines are few; else it comes last, or not at all.
func TestTouchedMemory(t *testing.T) {
	const height = 23
	terminal := TextOptions{Width: 80, Height: height}
	text := string(render(t, asText(terminal), touching(Unexplained)))
	golden(t, "growth-touched.txt", []byte(text))
	checkLines(t, text, 80)
	if lines := strings.Count(text, "\n"); lines > height {
		t.Errorf("%d lines", lines)
	}
	for _, tc := range []struct {
		r     *Report
		opt   TextOptions
		order int
	}{
		{touching(Unexplained), terminal, -1},
		{touching(Unexplained), TextOptions{}, -1},
		{touching(Leak, "9f31c2a07be4d115"), terminal, 0},
		{touching(Leak, "9f31c2a07be4d115"), TextOptions{}, 1},
		{touching(Children), terminal, 0},
		{growthFixture(), TextOptions{}, 1},
	} {
		text := string(render(t, asText(tc.opt), tc.r))
		fault, stack := strings.Index(text, "\n F1  "), strings.Index(text, " #1  ")
		order := 0
		switch {
		case fault >= 0 && fault < stack:
			order = -1
		case fault >= 0:
			order = 1
		}
		if order != tc.order || stack < 0 || strings.Count(text, "F1  ") > 1 {
			t.Errorf("order %d, want %d:\n%s", order, tc.order, text)
		}
		if fault >= 0 && tc.r.Diagnosis != nil && !strings.Contains(text[fault:], "> make_session") {
			t.Errorf("the program's own function is not marked:\n%s", text)
		}
	}
}

// What system calls add is not all that may grow.
func TestGrownTotalsDoNotDeny(t *testing.T) {
	const denial = "has not grown"
	r := growthFixture()
	r.Outstanding, r.Stacks = Sum{}, nil
	r.Memory = &Memory{Regions: []Region{{Class: "shared", Label: "shared memory"}, {Class: "file", Label: "mapped files"}}}
	if text := string(render(t, asText(TextOptions{}), r)); !strings.Contains(text, denial) {
		t.Errorf("nothing grows:\n%s", text)
	}
	r.Memory.Regions[0].ResidentGrowthBytes = 2 << 20
	if text := string(render(t, asText(TextOptions{}), r)); strings.Contains(text, denial) || !strings.Contains(text, "shared memory by 2.0 MiB") {
		t.Errorf("shared memory has grown:\n%s", text)
	}
	r.Memory = nil
	if text := string(render(t, asText(TextOptions{}), r)); strings.Contains(text, denial) {
		t.Errorf("nobody looked:\n%s", text)
	}
}
