package sysmem

import (
	"fmt"
	"strconv"
	"strings"

	"memtrace/tracer/report"
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

// parseZones reads /proc/zoneinfo, which counts in pages.
func parseZones(text string, pageSize uint64) (zones []report.Zone) {
	var z *report.Zone
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Node "); ok {
			node, name, _ := strings.Cut(rest, ", zone")
			zones = append(zones, report.Zone{Node: strings.TrimSpace(node), Name: strings.TrimSpace(name)})
			z = &zones[len(zones)-1]
			continue
		}
		if z == nil {
			continue
		}
		line = strings.TrimSpace(line)
		if list, ok := strings.CutPrefix(line, "protection:"); ok {
			z.ReserveBytes = protection(list, pageSize)
			continue
		}
		line = strings.TrimPrefix(line, "pages ")
		name, value, _ := strings.Cut(line, " ")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 48)
		if err != nil {
			continue
		}
		n *= pageSize
		switch name {
		case "free":
			z.FreeBytes = n
		case "min":
			z.MinBytes = n
		case "low":
			z.LowBytes = n
		case "high":
			z.HighBytes = n
		case "managed":
			z.ManagedBytes = n
		}
	}
	kept := zones[:0]
	for _, z := range zones {
		if z.ManagedBytes > 0 {
			z.ReserveBytes = min(z.ReserveBytes+z.HighBytes, z.ManagedBytes)
			kept = append(kept, z)
		}
	}
	return kept
}

// protection is the greatest of what a zone holds back from requests for other
// zones. With the high watermark it is what the kernel leaves free there, as it
// reckons for MemAvailable (calculate_totalreserve_pages in mm/page_alloc.c).
func protection(list string, pageSize uint64) (most uint64) {
	for _, field := range strings.FieldsFunc(list, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.ParseUint(field, 10, 48); err == nil {
			most = max(most, n*pageSize)
		}
	}
	return most
}

// mount is a line of mountinfo (proc_pid_mountinfo(5)) of a file system in
// memory.
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
			mounts = append(mounts, mount{fields[2], unescape(fields[4]), kind})
		}
	}
	return mounts
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
