package main

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"memtrace/tracer/report"
)

//go:embed testdata/heap/filling.c
var fillingSource string

// A cache that is not full is not taken for a leak without a word, and what has no bound is not taken
// for such a cache: see testdata/heap/filling.c.
func TestHeapFilling(t *testing.T) {
	pid := fmt.Sprint(startReady(t, "gcc -O1 -g", fillingSource).PID())
	code, stdout, stderr := runFor(t, "heap", "-p", pid, "-f", "json", "--max-overhead", "100", "600ms", "6")
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	r := decodeReports[report.HeapReport](t, stdout)[0]
	for _, want := range []struct {
		size   uint64
		holder string
		class  string
	}{{152, "cache", report.HeapFilling}, {184, "table", report.HeapFilling}, {216, "grown", report.HeapSteady}, {248, "chains", report.HeapSteady}} {
		found := false
		for _, g := range r.Growing {
			if g.Size != want.size || g.Holder.Name != want.holder {
				continue
			}
			found = true
			if g.Class != want.class || (g.Slots != nil) != (want.class == report.HeapFilling) {
				t.Errorf("%d bytes of %s: %s, %+v, slowing %v", g.Size, want.holder, g.Class, g.Slots, g.Slowing)
			}
			if s := g.Slots; s != nil && (s.Words < 100_000 || s.Words > 101_000 || s.Words-s.Empty < g.Now.Blocks*99/100) {
				t.Errorf("%d of %d words are empty, with %d blocks", s.Empty, s.Words, g.Now.Blocks)
			}
		}
		if !found {
			t.Errorf("%s: not in %+v", want.holder, r.Growing)
		}
	}
	if !strings.Contains(r.Answer, "held by global chains") || !strings.Contains(r.Answer, " more may only fill a cache: ") || !strings.Contains(r.Answer, "held by global table") {
		t.Errorf("answer %q", r.Answer)
	}
}
