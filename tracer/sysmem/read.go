package sysmem

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
)

// Read reports on the machine's memory as it is now.
func Read() (*report.System, error) {
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, fmt.Errorf("read the system's memory: %w", err)
	}
	optional := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return "" // Compute says what is missing
		}
		return string(text)
	}
	s, err := Compute(Texts{
		Meminfo: string(meminfo), Zoneinfo: optional("/proc/zoneinfo"), MinFree: optional("/proc/sys/vm/min_free_kbytes"),
		PageSize: uint64(os.Getpagesize()), Tmpfs: tmpfs(optional("/proc/self/mountinfo")),
	})
	if err != nil {
		return nil, fmt.Errorf("read the system's memory: %w", err)
	}
	return s, nil
}

// tmpfs asks each file system in memory how large it is. Those of other mount
// namespaces cannot be seen.
func tmpfs(mountinfo string) (list []report.Tmpfs) {
	for _, m := range parseMounts(mountinfo) {
		t := report.Tmpfs{MountPoint: m.point, Type: m.kind}
		var st unix.Statfs_t
		if err := unix.Statfs(m.point, &st); err == nil && m.kind != "ramfs" && st.Blocks > 0 {
			t.SizeBytes = st.Blocks * uint64(st.Bsize)
			t.UsedBytes = (st.Blocks - min(st.Bfree, st.Blocks)) * uint64(st.Bsize)
			t.UsedKnown = true
		}
		list = append(list, t)
	}
	return list
}

func parseMinFree(text string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSpace(text), 10, 53)
	return n << 10
}
