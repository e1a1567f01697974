package report

import (
	"strings"
	"testing"
)

// A report tells what is from since the last mark, by stack and in all, or that this is not known.
func TestTellsMarks(t *testing.T) {
	r := typical()
	r.Marks = []Mark{{AtSeconds: 1, Name: "1"}, {AtSeconds: r.DurationSeconds - 2, Name: "new\nrelease"}}
	r.SinceMark = &Sum{Bytes: 4096, Blocks: 7}
	r.Stacks[0].SinceMarkBytes, r.Stacks[0].SinceMarkBlocks = 4096, 7
	text := strings.Join(strings.Fields(string(render(t, asText(TextOptions{}), r))), " ")
	for _, want := range []string{
		`Since the mark new\x0arelease, 2.0 s ago: 4,096 B (4.0 KiB) in 7 blocks were allocated and are still there`,
		"4.0 KiB in 7 blocks since the mark", "0 B in 0 blocks since the mark",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	r.SinceMark = nil
	text = strings.Join(strings.Fields(string(render(t, asText(TextOptions{}), r))), " ")
	if want := "is not known in windows of time"; !strings.Contains(text, want) || strings.Contains(text, "since the mark,") {
		t.Errorf("%q is missing in\n%s", want, text)
	}
}
