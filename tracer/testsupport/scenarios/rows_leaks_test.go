//go:build scenarios

package scenarios

import (
	"fmt"
	"slices"
	"time"

	"memtrace/tracer/report"
)

const s = time.Second

// rowsOfLeaks are leaks and what resembles them, on glibc's heap.
var rowsOfLeaks = []row{
	{name: "many", run: "BIN/many", expected: expected{
		truth: "20 functions leak alike, called by main", kinds: kinds(report.Leak), culprit: `\bmain\b|field_\d+`,
		also: func(r *report.Report) string { return through(r, "main", 20) },
	}},
	{name: "common", run: "BIN/common", expected: expected{
		truth: "20 sites leak, all in parse_document", kinds: kinds(report.Leak), culprit: "parse_document",
		also: func(r *report.Report) string { return through(r, "parse_document", 20) },
	}},
	{name: "cache", run: "BIN/cache", expected: expected{
		truth: "append_audit leaks 2 KB/s; fill_entry replaces what was there before",
		kinds: kinds(report.Leak), culprit: "append_audit", never: "fill_entry",
	}},
	{name: "cache fills", run: "BIN/fills", trace: 12 * s, expected: expected{
		truth: "fill_slot fills a cache of 2,000 slots and stops", kinds: kinds(report.CacheFills), culprit: "fill_slot",
	}},
	{name: "cache replaces", run: "BIN/container replace", expected: expected{
		truth: "replace_entry replaces what was there before, nothing grows", kinds: kinds(report.CacheReplaces, report.Nothing),
	}},
	{name: "active", run: "BIN/active", expected: expected{
		truth: "open_session's sessions are in a list and used", kinds: kinds(report.ActiveLeak, report.Leak), culprit: "open_session",
	}},
	{name: "slow", run: "BIN/slow", trace: 15 * s, expected: expected{
		truth: "poll_sensor leaks one block each second", kinds: kinds(report.Leak), culprit: "poll_sensor", never: "draw_screen",
		tolerance: 0.15, // a block more or less
	}},
	{name: "buffer", run: "BIN/buffer", expected: blames("append_line's buffer grows by realloc", "append_line")},
	{name: "thread pool", run: "BIN/pool", expected: blames("handle_job leaks in each thread of a pool", "handle_job")},
	{name: "holes", run: "BIN/holes", expected: blames("load_tile leaks every second block, and no other block fits where the others were", "load_tile")},
	{name: "pinned", run: "BIN/pinned", expected: expected{
		truth: "2 MB/s of free memory between blocks that stay; these leak 24 B each", kinds: kinds(report.KeepsFree), culprit: "(?i)free|fragment", mayLeak: true,
		also: func(r *report.Report) string { return grows(r, 10e6) },
	}},
	{name: "arenas", run: "BIN/arenas", trace: 10 * s, expected: expected{
		truth: "nothing leaks, ever more arenas keep what they had", kinds: kinds(report.KeepsFree), culprit: "(?i)arena|free",
		also: func(r *report.Report) string { return grows(r, 10e6) },
	}},
	{name: "quiet", run: "BIN/quiet", expected: expected{
		truth: "grew before the trace, nothing grows", kinds: kinds(report.Nothing),
	}},
	{name: "idle", run: "BIN/idle", expected: expected{
		truth: "does nothing at all", kinds: kinds(report.Nothing),
	}},
	{name: "short", run: "BIN/short", after: 700 * time.Millisecond, expected: expected{
		truth: "read_row leaks until the program ends after 4 s", kinds: kinds(report.Leak, report.NeverFreed), culprit: "read_row", never: "(?i)arena",
	}},
	{name: "config", run: "BIN/config", launch: true, expected: expected{
		truth: "load_config's blocks were never freed, nothing grew", kinds: kinds(report.NeverFreed), culprit: "load_config", never: `B/s|per second`,
	}},
	{name: "threads", run: "BIN/threads", launch: true, flags: exactly, expected: expected{
		truth: "14,000 blocks are allocated and freed", kinds: kinds(report.Nothing, report.NeverFreed, report.TooShort), never: "churn",
		also: func(r *report.Report) string {
			if e := r.Events; e.Alloc < 14000 || e.Alloc > 14500 || e.Free > 14500 {
				return fmt.Sprintf("%d allocations and %d frees", e.Alloc, e.Free)
			}
			return ""
		},
	}},
	{name: "library", run: "BIN/host BIN/plugin.so", expected: blames("a library's parser_open leaks, called by read_archive", "parser_open|read_archive")},
	{name: "libraries swapped", run: "BIN/swap BIN/swap_a.so BIN/swap_b.so", launch: true, flags: []string{"--older", "0"}, expected: expected{
		truth: "leak_A leaks 5 x 101 B, leak_B 5 x 202 B, in libraries that are unloaded", kinds: kinds(report.NeverFreed, report.Leak, report.TooShort), uncounted: true, culprit: "leak_[AB]",
		also: func(r *report.Report) string {
			if a, b := bytesBy(r, "leak_A"), bytesBy(r, "leak_B"); a != 505 || b != 1010 {
				return fmt.Sprintf("leak_A %d B, leak_B %d B", a, b)
			}
			return ""
		},
	}},
	{name: "library at once", run: "BIN/atonce BIN/nofp.so", launch: true, flags: []string{"--older", "0"}, expected: expected{
		truth: "step_3 leaks 300 blocks as soon as its library is loaded, below main", kinds: kinds(report.NeverFreed, report.Leak, report.TooShort), uncounted: true, culprit: "step_[123]",
		also: func(r *report.Report) string {
			all, whole := bytesBy(r, "step_3"), bytesBy(r, "step_3", "step_2", "step_1", "main")
			if all != 300*77 || whole != all {
				return fmt.Sprintf("step_3 %d B, below main %d B", all, whole)
			}
			return ""
		},
	}},
	{name: "glib", run: "BIN/glib", expected: blames("queue_event queues and nobody takes out", "queue_event")},
	{name: "c++ map", run: "BIN/container map", expected: blames("remember_peer adds to a map of strings", "remember_peer")},
	{name: "c++ strings", run: "BIN/container strings", expected: blames("log_line adds to a vector of strings", "log_line")},
	{name: "rust box", run: "BIN/messages box", expected: blames("remember_message leaks boxes", "remember_message")},
	{name: "rust list", run: "BIN/messages list", expected: blames("append_sample adds to a list", "append_sample")},
}

// grows says what is wrong if no memory has grown by so much: the program then does not do what
// it should.
func grows(r *report.Report, bytes int64) string {
	for _, a := range r.Diagnosis.Accounts {
		if a.GrewBytes >= bytes {
			return ""
		}
	}
	return fmt.Sprintf("nothing has grown by %d B", bytes)
}

// through says what is wrong if the diagnosis does not name a function as what so many stacks
// have in common.
func through(r *report.Report, function string, stacks int) string {
	d := r.Diagnosis
	if d.Through == nil {
		return "the stacks have nothing in common"
	}
	if d.Through.Function != function {
		return fmt.Sprintf("the stacks have %s in common, want %s", d.Through.Function, function)
	}
	if n := d.Findings[0].StacksTotal; n < stacks {
		return fmt.Sprintf("%d stacks, want %d", n, stacks)
	}
	return ""
}

// bytesBy sums what the stacks hold that have all of some functions in them.
func bytesBy(r *report.Report, functions ...string) (sum uint64) {
	for i := range r.Stacks {
		has := func(function string) bool {
			return slices.ContainsFunc(r.Stacks[i].Frames, func(f report.Frame) bool { return f.Function == function })
		}
		if !slices.ContainsFunc(functions, func(f string) bool { return !has(f) }) {
			sum += r.Stacks[i].Bytes
		}
	}
	return sum
}
