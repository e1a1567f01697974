package limits

import (
	"cmp"
	"slices"
	"strings"

	"memtrace/symbolize/procmaps"
)

// mount is where a hierarchy of cgroups can be seen.
type mount struct {
	// root is the cgroup that is mounted, as the paths of /proc/PID/cgroup name it, and point
	// where.
	root, point string
}

// mounts returns where a hierarchy is mounted: that of v1 with the memory controller, or that
// of v2. Those that show most of it come first.
func mounts(mountinfo string, version int) (list []mount) {
	for line := range strings.Lines(mountinfo) {
		at, of, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, kind := strings.Fields(at), strings.Fields(of)
		if !ok || len(fields) < 5 || len(kind) < 2 {
			continue
		}
		options := strings.Split(kind[len(kind)-1], ",")
		if version == 2 && kind[0] == "cgroup2" || version == 1 && kind[0] == "cgroup" && slices.Contains(options, "memory") {
			list = append(list, mount{procmaps.Unescape(fields[3]), procmaps.Unescape(fields[4])})
		}
	}
	slices.SortStableFunc(list, func(a, b mount) int { return cmp.Compare(len(a.root), len(b.root)) })
	return list
}

// below returns the part of path that lies below the mount's root, without a slash in front.
// Where memtrace is in a cgroup namespace, paths of cgroups outside of it start with /.. for
// each step up. What such a root has below it that is not a step up has names that do not show.
func (m *mount) below(path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, strings.TrimSuffix(m.root, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	rest = strings.Trim(rest, "/")
	first, _, _ := strings.Cut(rest, "/")
	// From a root outside the namespace, the namespace's own cgroup has a name unknown here.
	return rest, first != ".."
}

// memoryCgroup returns the path of the cgroup that counts a process's memory, and the version
// of its hierarchy. ok is false if there is none.
func memoryCgroup(text string) (path string, version int, ok bool) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		switch {
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			return fields[2], 1, true
		case fields[0] == "0" && fields[1] == "":
			path, version, ok = fields[2], 2, true
		}
	}
	return path, version, ok
}
