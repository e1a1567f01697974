package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotFound means that there is no such cgroup, or that no process runs in such a container
// or unit.
var ErrNotFound = errors.New("not found")

// notFoundError is an ErrNotFound with a text of its own.
type notFoundError string

func (e notFoundError) Error() string { return string(e) }

// Is makes it an ErrNotFound.
func (notFoundError) Is(target error) bool { return target == ErrNotFound }

// ByPath returns the cgroup with a path: below a mount, such as
// /sys/fs/cgroup/system.slice/nginx.service, or as /proc/PID/cgroup has it, with or without the
// slash in front.
func ByPath(name string) (*Cgroup, error) {
	for _, m := range readMounts() {
		rest, ok := strings.CutPrefix(path.Clean(name), m.Point)
		if ok && (rest == "" || rest[0] == '/') && isCgroup(path.Clean(name)) {
			return &Cgroup{Hierarchy: m.Hierarchy, Path: path.Join(m.Root, rest), dir: path.Clean(name)}, nil
		}
	}
	clean := path.Join("/", name)
	c := best(pathsOf(clean))
	if c == nil {
		return nil, notFoundError(fmt.Sprintf("there is no cgroup %q: give a path as /proc/PID/cgroup or /sys/fs/cgroup has it", name))
	}
	return c, nil
}

// pathsOf returns the cgroups with a path, of all hierarchies.
func pathsOf(name string) (list []*Cgroup) {
	for _, m := range readMounts() {
		if rest, ok := m.Below(name); ok && isCgroup(filepath.Join(m.Point, rest)) {
			list = append(list, open(Membership{m.Hierarchy, name}))
		}
	}
	if len(list) > 0 {
		return list
	}
	// No mount shows it: look who is in it.
	for _, m := range members() {
		c := Cgroup{Hierarchy: m.Hierarchy, Path: name}
		if c.holds(m) {
			list = append(list, &c)
		}
	}
	return list
}

// best returns that of several cgroups, in as many hierarchies, which has processes. The same
// name may be there without any in hierarchies that a service manager does not use.
func best(list []*Cgroup) *Cgroup {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b *Cgroup) int { return cmp.Compare(a.Hierarchy.rank(), b.Hierarchy.rank()) })
	for _, c := range list {
		if pids, err := c.PIDs(nil); err == nil && len(pids) > 0 {
			return c
		}
	}
	return list[0]
}

// members returns the cgroups that have processes.
func members() (all []Membership) {
	seen := make(map[Membership]bool)
	_ = eachProcess(func(_ int, list []Membership) {
		for _, m := range list {
			if !seen[m] {
				seen[m] = true
				all = append(all, m)
			}
		}
	}) // without /proc nothing is found
	return all
}

// named is a cgroup that carries the name of something: the id of a container, or a unit.
type named struct {
	name string
	Membership
}

// ancestors returns the cgroups with processes, and those above them, whose last element is the
// name of something.
func ancestors(nameOf func(element string) (string, bool)) (list []named) {
	seen := make(map[named]bool)
	for _, m := range members() {
		for p := m.Path; p != "/" && p != "."; p = path.Dir(p) {
			name, ok := nameOf(path.Base(p))
			n := named{name, Membership{m.Hierarchy, p}}
			if ok && !seen[n] {
				seen[n] = true
				list = append(list, n)
			}
		}
	}
	return list
}

// openAll opens cgroups.
func openAll(list []named) (all []*Cgroup) {
	for _, n := range list {
		all = append(all, open(n.Membership))
	}
	return all
}

// distinct returns the different values of a list, in order.
func distinct(list []named, value func(named) string) (all []string) {
	for _, n := range list {
		all = append(all, value(n))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
