//go:build scenarios

package scenarios

import (
	"memtrace/tracer/report"
)

// rowsOfMappings are programs whose mappings grow.
var rowsOfMappings = []row{
	{name: "reserved", run: "BIN/reserved", expected: appends},
	{name: "reserved range", run: "BIN/reserved range", expected: appends},
	{name: "untouched", run: "BIN/untouched", expected: expected{
		truth: "reserve_shard maps 320 MiB/s that take no memory", kinds: kinds(report.Reserved), culprit: "reserve_shard",
	}},
	{name: "forgotten mappings", run: "BIN/forget", expected: blames("receive_packet maps 64 KiB each time and forgets it", "receive_packet")},
	{name: "forgotten shared", run: "BIN/forget shared", expected: blames("receive_packet maps 64 KiB of shared memory each time and forgets it", "receive_packet")},
	{name: "private file", run: "BIN/cow DIR/image", expected: expected{
		pending: "mappings of files have no stacks yet",
		truth:   "map_image maps a file privately, 2 MB/s are written", kinds: kinds(report.Leak), culprit: "map_image|run_sandbox", uncounted: true,
	}},
	{name: "unjoined", run: "BIN/unjoined", expected: expected{
		truth: "play_tone's threads end and are never joined", kinds: kinds(report.UnjoinedThreads), mayLeak: true, culprit: "(?i)thread.*play_tone|play_tone.*thread",
	}},
	{name: "threads pile up", run: "BIN/threadpile", expected: expected{
		truth: "accept_client starts threads that wait for ever", kinds: kinds(report.Leak, report.ActiveLeak), culprit: "accept_client", uncounted: true,
	}},
}

var appends = expected{
	truth: "append_record leaks 50 KB/s, all else is merely reserved", kinds: kinds(report.Leak), culprit: "append_record", never: "reserve_range|GiB",
}
