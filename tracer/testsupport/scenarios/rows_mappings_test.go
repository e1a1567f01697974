//go:build scenarios

package scenarios

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
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
		truth: "map_image maps a file privately, 2 MB/s are written", kinds: kinds(report.Leak), culprit: "map_image|run_sandbox",
	}},
	frames("memfd", "a memfd"),
	frames("private-memfd", "a memfd, privately"),
	frames("tmpfs", "a file on tmpfs"),
	frames("sysv", "a System V segment"),
	frames("read-first", "a file privately, reads it, and writes to it later"),
	frames("arena", "a large memfd once, and fills it"),
	{name: "kind huge", run: "BIN/kinds huge", prepare: setHugePagesAside, expected: blames("map_frame maps huge pages and forgets them", "map_frame|decode_frame")},
	{name: "kind huge-memfd", run: "BIN/kinds huge-memfd", prepare: setHugePagesAside, expected: blames("map_frame maps a memfd of huge pages and forgets it", "map_frame|decode_frame")},
	{name: "private file grow", run: "BIN/cow DIR/image", grow: true, expected: expected{
		truth: "map_image maps a file privately, 2 MB/s are written", kinds: kinds(report.Leak), culprit: "map_image|run_sandbox",
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
	also: func(r *report.Report) string {
		if most := uint64(4 << 20); r.Outstanding.Bytes > most {
			return fmt.Sprintf("%d bytes are outstanding", r.Outstanding.Bytes)
		}
		if i := slices.IndexFunc(r.Stacks, func(s report.Stack) bool { return s.Kind == report.Mmap && s.Bytes > 0 }); i >= 0 {
			return fmt.Sprintf("a stack holds %d bytes that it mapped", r.Stacks[i].Bytes)
		}
		return ""
	},
}

// frames is a row of a kind of mapping.
func frames(kind, what string) row {
	return row{name: "kind " + kind, run: "BIN/kinds " + kind + " DIR/image", expected: blames("map_frame maps "+what+"; 2 MB/s are written", "map_frame|decode_frame|map_memfd|map_tmpfs|map_file|attach_segment")}
}

// hugePages is held by the row that has set some aside.
var hugePages sync.Mutex

// setHugePagesAside makes sure that there are some for a program.
func setHugePagesAside(sc *scene) {
	const path, wanted = "/proc/sys/vm/nr_hugepages", "64"
	hugePages.Lock()
	sc.t.Cleanup(hugePages.Unlock)
	before, err := os.ReadFile(path)
	if err != nil {
		testprog.Missing(sc.t, "huge pages: "+err.Error())
	}
	sc.t.Cleanup(func() { _ = os.WriteFile(path, before, 0) })
	if err := os.WriteFile(path, []byte(wanted), 0); err != nil {
		testprog.Missing(sc.t, "huge pages: "+err.Error())
	}
	if now, _ := os.ReadFile(path); strings.TrimSpace(string(now)) != wanted {
		testprog.Missing(sc.t, "memory for "+wanted+" huge pages")
	}
}
