package target

import (
	"github.com/prometheus/procfs"

	"memtrace/symbolize/procmaps"
)

// DiscoverIn is Discover from a list of the process's executable mappings, which are not read
// again.
func (t *Target) DiscoverIn(list []procmaps.Mapping) ([]*Object, error) {
	return t.discover(listed(list))
}

// ModulesIn is Modules from such a list.
func ModulesIn(list []procmaps.Mapping) []Module { return modules(listed(list)) }

// listed returns the mappings of files, and of the vDSO, in procfs's form.
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
