package cgroup

import (
	"slices"
	"strings"
)

// Hierarchy is a tree of cgroups. That of cgroup v2 is "", one of v1 is named by its
// controllers, as in /proc/PID/cgroup: "memory", "cpu,cpuacct", or "name=systemd" for one
// without.
type Hierarchy string

// V2 is the only hierarchy of cgroup v2.
const V2 Hierarchy = ""

// has reports whether a hierarchy of v1 has a controller.
func (h Hierarchy) has(controller string) bool {
	return slices.Contains(strings.Split(string(h), ","), controller)
}

// rank orders the hierarchies of a machine that has several, by how well they tell what belongs
// together. That of v2 comes first, then those that service managers keep their units in.
func (h Hierarchy) rank() int {
	switch {
	case h == V2:
		return 0
	case h.has("name=systemd"):
		return 1
	case h.has("memory"):
		return 2
	}
	return 3
}

// Membership is a cgroup that a process is in. It is in one of each hierarchy.
type Membership struct {
	Hierarchy Hierarchy
	// Path is the cgroup's path below the root of the cgroup namespace of who reads it. Whoever
	// made the cgroup chose it.
	Path string
}

// Memberships reads the text of /proc/PID/cgroup.
func Memberships(text string) (list []Membership) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) == 3 && (fields[1] != "" || fields[0] == "0") {
			list = append(list, Membership{Hierarchy(fields[1]), fields[2]})
		}
	}
	return list
}

// Memory returns the cgroup that counts a process's memory. ok is false if there is none.
func Memory(list []Membership) (m Membership, ok bool) {
	for _, each := range list {
		switch {
		case each.Hierarchy.has("memory"):
			return each, true
		case each.Hierarchy == V2:
			m, ok = each, true
		}
	}
	return m, ok
}
