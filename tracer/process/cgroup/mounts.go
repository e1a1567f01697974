package cgroup

import (
	"cmp"
	"slices"
	"strings"

	"memtrace/symbolize/procmaps"
)

// Mount is where a hierarchy can be seen.
type Mount struct {
	Hierarchy Hierarchy
	// Root is the cgroup that is mounted, as the paths of /proc/PID/cgroup name it, and Point
	// where.
	Root, Point string
}

// Mounts returns the mounts of all hierarchies. Those that show most of theirs come first.
func Mounts(mountinfo string) (list []Mount) {
	for line := range strings.Lines(mountinfo) {
		at, of, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, kind := strings.Fields(at), strings.Fields(of)
		if !ok || len(fields) < 5 || len(kind) < 2 {
			continue
		}
		m := Mount{Root: procmaps.Unescape(fields[3]), Point: procmaps.Unescape(fields[4])}
		switch kind[0] {
		case "cgroup2":
		case "cgroup":
			m.Hierarchy = hierarchyOf(kind[len(kind)-1])
		default:
			continue
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b Mount) int { return cmp.Compare(len(a.Root), len(b.Root)) })
	return list
}

// hierarchyOf returns the hierarchy of v1 with these mount options. The controllers stand among
// options that are none, such as xattr.
func hierarchyOf(options string) Hierarchy {
	var controllers []string
	for option := range strings.SplitSeq(options, ",") {
		name, _, value := strings.Cut(option, "=")
		if option != "rw" && option != "ro" && (!value || name == "name") {
			controllers = append(controllers, option)
		}
	}
	return Hierarchy(strings.Join(controllers, ","))
}

// Shows reports whether a mount is of the hierarchy h. A controller is in one hierarchy only.
func (m *Mount) Shows(h Hierarchy) bool {
	if h == V2 || m.Hierarchy == V2 {
		return h == m.Hierarchy
	}
	return slices.ContainsFunc(strings.Split(string(h), ","), m.Hierarchy.has)
}

// Below returns the part of path that lies below the mount's root, without a slash in front.
// Where memtrace is in a cgroup namespace, paths of cgroups outside of it start with /.. for
// each step up. What such a root has below it that is not a step up has names that do not show.
func (m *Mount) Below(path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, strings.TrimSuffix(m.Root, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	rest = strings.Trim(rest, "/")
	first, _, _ := strings.Cut(rest, "/")
	// From a root outside the namespace, the namespace's own cgroup has a name unknown here.
	return rest, first != ".."
}
