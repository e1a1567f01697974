package cgroup

import (
	"fmt"
	"strings"
)

// unitSuffixes are those of the units of systemd that have cgroups.
var unitSuffixes = []string{".service", ".scope", ".slice", ".socket", ".mount", ".swap"}

// unitName returns the name of the unit that an element of a path stands for. systemd puts a
// "_" in front of names that the kernel has files of (cg_escape of its src/basic/cgroup-util.c).
func unitName(element string) (string, bool) {
	return strings.TrimPrefix(element, "_"), hasUnitSuffix(element)
}

func hasUnitSuffix(name string) bool {
	for _, suffix := range unitSuffixes {
		if strings.HasSuffix(name, suffix) && name != suffix {
			return true
		}
	}
	return false
}

// ByUnit returns the cgroup of a unit of systemd, be it one of the system or of a user. A name
// without a suffix is that of a service.
func ByUnit(name string) (*Cgroup, error) {
	unit := name
	if !hasUnitSuffix(unit) {
		unit += ".service"
	}
	var found []named
	for _, n := range ancestors(unitName) {
		if n.name == unit {
			found = append(found, n)
		}
	}
	paths := distinct(found, func(n named) string { return n.Path })
	switch len(paths) {
	case 0:
		return nil, notFoundError(fmt.Sprintf("no process runs in a unit %q", unit))
	case 1:
		return best(openAll(found)), nil
	}
	return nil, fmt.Errorf("%d units are called %q: give one with --cgroup: %s", len(paths), unit, strings.Join(paths, ", "))
}

// Units returns the names of all units that run.
func Units() []string {
	return distinct(ancestors(unitName), func(n named) string { return n.name })
}
