package sysmem

import (
	"fmt"
	"strconv"
	"strings"

	"memtrace/symbolize/procmaps"
)

// meminfo is /proc/meminfo, in bytes by name.
type meminfo map[string]uint64

func parseMeminfo(text string) (meminfo, error) {
	m := make(meminfo)
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseUint(fields[0], 10, 54)
		if err != nil {
			continue
		}
		if len(fields) > 1 && fields[1] == "kB" {
			n <<= 10
		}
		m[name] = n
	}
	for _, name := range []string{"MemTotal", "MemFree", "Buffers", "Cached"} {
		if _, ok := m[name]; !ok {
			return nil, fmt.Errorf("meminfo has no %s", name)
		}
	}
	return m, nil
}

// missing returns the lines that the report needs and that are not there.
func (m meminfo) missing() (names []string) {
	for _, name := range []string{
		"Shmem", "SReclaimable", "SUnreclaim", "AnonPages", "Mapped", "Dirty", "Writeback", "Unevictable",
		"Active(file)", "Inactive(file)", "SwapTotal", "SwapFree", "SwapCached",
	} {
		if _, ok := m[name]; !ok {
			names = append(names, name)
		}
	}
	return names
}

// parseMinFree returns the bytes, and false if the text is not a number of KiB.
func parseMinFree(text string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 53)
	return n << 10, err == nil
}

// mount is a line of mountinfo (proc_pid_mountinfo(5)) of a file system in memory.
type mount struct{ dev, point, kind string }

// parseMounts lists the file systems in memory, each once.
func parseMounts(text string) (mounts []mount) {
	seen := make(map[string]bool)
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		kind, _, _ := strings.Cut(right, " ")
		if !ok || len(fields) < 5 || seen[fields[2]] {
			continue
		}
		switch kind {
		case "tmpfs", "ramfs", "devtmpfs":
			seen[fields[2]] = true
			mounts = append(mounts, mount{fields[2], procmaps.Unescape(fields[4]), kind})
		}
	}
	return mounts
}
