package report

import (
	"strings"
	"testing"
)

// What is suppressed has stacks.
func TestSuppressedIsNoRemainder(t *testing.T) {
	r := mappings()
	r.Outstanding = r.Outstanding.Plus(Sum{Bytes: 1 << 20, Blocks: 7})
	if text := string(render(t, asText(TextOptions{}), r)); !strings.Contains(text, "No stack is known for 1,048,576 B (1.0 MiB) in 7 blocks") {
		t.Fatal(text)
	}
	r.AddSuppressed([]Suppressed{{Pattern: "x", Stacks: 1, Sum: Sum{Bytes: 1 << 20, Blocks: 7}}})
	if text := string(render(t, asText(TextOptions{}), r)); strings.Contains(text, "No stack") {
		t.Error(text)
	}
}

// Nothing that is hidden goes unsaid: the text has every pattern, or how many more there are.
func TestSuppressedText(t *testing.T) {
	r := whole()
	for i := range 5 {
		r.AddSuppressed([]Suppressed{{Pattern: strings.Repeat("x", 300+i) + "\x1b", Stacks: 1, Sum: Sum{Bytes: 1, Blocks: 1}}})
	}
	all := string(render(t, asText(TextOptions{}), r))
	if n := strings.Count(all, "leak:"); n != 7 || !strings.Contains(all, "Suppressed: 10 stacks, 1.0 MiB in 22 blocks, +~4.0 KiB/s,") {
		t.Errorf("%d patterns in\n%s", n, all)
	}
	if short := string(render(t, asText(TextOptions{Height: 20}), r)); strings.Count(short, "leak:") != 2 || !strings.Contains(short, "and 5 more") {
		t.Errorf("where lines are few:\n%s", short)
	}
}
