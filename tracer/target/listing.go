package target

import (
	"github.com/prometheus/procfs"

	"memtrace/symbolize/procmaps"
)

// DiscoverIn is Discover by a list of what the process has mapped executably, which is
// not read again.
func (t *Target) DiscoverIn(list []procmaps.Mapping) ([]*Object, error) {
	return t.discover(listed(list))
}

// ModulesIn is Modules by such a list.
func ModulesIn(list []procmaps.Mapping) []Module { return modules(listed(list)) }

// listed are the mappings of files, and the vDSO, in the form that procfs has for them.
func listed(list []procmaps.Mapping) []*procfs.ProcMap {
	var maps []*procfs.ProcMap
	for i := range list {
		m := &list[i]
		if m.Inode == 0 && m.Path != vdsoPath {
			continue
		}
		maps = append(maps, &procfs.ProcMap{
			StartAddr: uintptr(m.Start), EndAddr: uintptr(m.End), Offset: int64(m.Offset),
			Perms: &procfs.ProcMapPermissions{Read: true, Execute: true},
			Dev:   m.Dev, Inode: m.Inode, Pathname: m.Path,
		})
	}
	return maps
}
