//go:build scenarios

package scenarios

import (
	"fmt"

	"memtrace/tracer/report"
)

// kinds is a shorter way to write what kinds a finding may have.
func kinds(k ...report.FindingKind) []report.FindingKind { return k }

// blames is the truth of a program in which one function leaks.
func blames(truth, culprit string) expected {
	return expected{truth: truth, kinds: kinds(report.Leak), culprit: culprit}
}

// decodes is the truth of decode.c, which no other allocator may change.
var decodes = blames("decode_frame leaks every second frame", "decode_frame")

// tiny is a row of tiny.c.
func tiny(size string) row {
	return row{name: "tiny " + size, run: "BIN/tiny " + size, trace: 20 * s, expected: blames("keep_flag leaks "+size+" B 10,000 times a second, in chunks of 32 B or so", "keep_flag")}
}

// notYet marks what is expected as known to fail.
func notYet(e expected, why string) expected {
	e.pending = why
	return e
}

// rowsOfAllocators are programs on different allocators.
var rowsOfAllocators = []row{
	{name: "decode", run: "BIN/decode", expected: decodes},
	{name: "decode static", run: "BIN/decode-static", expected: decodes},
	{name: "decode tcmalloc", run: "BIN/decode", preload: "libtcmalloc_minimal.so.4", expected: decodes},
	{name: "decode jemalloc", run: "BIN/decode", preload: "libjemalloc.so.2", expected: decodes},
	{name: "decode mimalloc", run: "BIN/decode", preload: "libmimalloc.so.2", expected: decodes},
	{name: "decode wrapped", run: "BIN/decode", preload: "BIN/passing.so", expected: expected{
		truth: decodes.truth + ", and a preloaded library passes all calls on to malloc", kinds: decodes.kinds, culprit: decodes.culprit,
		also: func(r *report.Report) string { return wrapped(r) },
	}},
	{name: "two allocators", run: "BIN/twofold", flags: []string{"--exact"}, expected: expected{
		truth: "keep_message leaks 250 kB/s by malloc and twice as much by an allocator in the program", kinds: kinds(report.Leak), culprit: "keep_message", never: "pass_message",
		also: func(r *report.Report) string { return twofold(r) },
	}},
	{name: "decode musl", run: "BIN/decode-musl", expected: decodes},
	{name: "decode musl static", run: "BIN/decode-musl-static", expected: decodes},
	{name: "decode without names", run: "BIN/decode-nosymbols", expected: blames("a function of the program leaks, and has no name", "decode-nosymbols")},
	{name: "decode musl stripped", run: "BIN/decode-stripped", expected: expected{
		truth: "the allocator is in a program without symbols: cannot be traced", refused: "no allocator found",
	}},
	tiny("1"), tiny("4"), tiny("8"), tiny("16"), tiny("24"),
	{name: "costly", run: "BIN/costly", trace: 20 * s, expected: costs},
	{name: "costly jemalloc", run: "BIN/costly", preload: "libjemalloc.so.2", trace: 20 * s, expected: costs},
	{name: "costly mimalloc", run: "BIN/costly", preload: "libmimalloc.so.2", trace: 20 * s, expected: costs},
	{name: "burst", run: "BIN/burst 2000 100000", trace: 20 * s, expected: bursts},
	{name: "burst often", run: "BIN/burst 200 10000", trace: 20 * s, expected: bursts},
	{name: "reallocarray mimalloc", run: "BIN/reallocarray", preload: "libmimalloc.so.2", launch: true, flags: exactly, expected: expected{
		truth: "20 blocks of reallocarray stay", kinds: kinds(report.NeverFreed), culprit: "grow_array",
		also: func(r *report.Report) string { return remain(r, 20) },
	}},
	{name: "mimalloc", run: "BIN/mimalloc", launch: true, flags: exactly, expected: expected{
		truth: "14 functions leave 10 blocks each", kinds: kinds(report.NeverFreed), culprit: `keep_|\bmain\b`,
		also: func(r *report.Report) string { return remain(r, 140) },
	}},
	{name: "rust mimalloc", run: "BIN/rust_mimalloc", expected: blames("leak_box leaks 2 MB/s", "leak_box")},
	{name: "musl realloc", run: "BIN/events-musl", expected: pushes},
	{name: "musl realloc static", run: "BIN/events-musl-static", expected: pushes},
	{name: "realloc", run: "BIN/events", expected: pushes},
}

var (
	exactly = []string{"--exact", "--older", "0"}
	costs   = sparing(blames("keep_result leaks 8,000 B some 300 times a second, among 150,000 calls", "keep_result"), "parse_message")
	bursts  = sparing(blames("leak_session alone leaks, 1.9 MiB/s; serve_request frees all", "leak_session"), "serve_request")
	pushes  = blames("push_output's buffer grows by realloc, note_event leaks names", "push_output|note_event")
)

// sparing is what is expected where the answer must not contain a regular expression.
func sparing(e expected, innocent string) expected {
	e.never = innocent
	return e
}

// wrapped says what is wrong if a wrapper of glibc's malloc is not seen through.
func wrapped(r *report.Report) string {
	if r.Target.Allocator != "glibc" || r.MallocSplit == nil || r.Events.UnknownFree > 1 {
		return fmt.Sprintf("served by %s, split %v, %d frees of unknown blocks", r.Target.Allocator, r.MallocSplit, r.Events.UnknownFree)
	}
	for _, a := range r.Diagnosis.Accounts {
		for _, term := range a.Terms {
			if a.Kind == "heap" && !term.Known {
				return fmt.Sprintf("%s: not known", term.Label)
			}
		}
	}
	return ""
}

// twofold says what is wrong if the two stacks that leak are not told apart by their allocators.
func twofold(r *report.Report) string {
	rates := make(map[string]float64)
	for i := range r.Stacks {
		if s := &r.Stacks[i]; len(s.Frames) > 0 && s.Frames[0].Function == "keep_message" {
			rates[s.Allocator] += s.LeakBytesPerSecond
		}
	}
	if ratio := rates["jemalloc"] / max(rates["glibc"], 1); len(rates) != 2 || ratio < 1.8 || ratio > 2.2 {
		return fmt.Sprintf("leaks by allocator: %v", rates)
	}
	return ""
}

// remain says what is wrong if so many blocks were not seen to remain.
func remain(r *report.Report, blocks uint64) string {
	// libc and libraries may keep a few of their own at their start.
	if n := r.Outstanding.Blocks + r.Young.Blocks; n < blocks || n > blocks+10 {
		return fmt.Sprintf("%d blocks remain, want %d", n, blocks)
	}
	return ""
}
