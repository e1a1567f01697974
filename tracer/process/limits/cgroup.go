package limits

import (
	"errors"
	"io/fs"
	"math"
	"path"
	"strings"

	"memtrace/tracer/process/cgroup"
)

// Cgroup is a cgroup with a limit.
type Cgroup struct {
	// Path is its path as /proc/PID/cgroup has it. Whoever made the cgroup chose it.
	Path string
	// Max is where the kernel kills, High where it slows allocations down until they hardly go
	// on. Both are in bytes. What is in use is all memory of the cgroup and of those below it,
	// less the page cache of files, which the kernel takes back first.
	Max, High Limit
	// Cache is that page cache.
	Cache uint64
	// SwapFree is what it may still have swapped out, by its own limit, those further up and
	// what swap the machine has left. Until that is used up, too, no limit is hit.
	SwapFree uint64
}

// names are the files of a cgroup that say what is allowed and used.
type names struct {
	max, high, current, swapMax, swapCurrent string
	// together means that those of swap count memory and swap.
	together bool
	// cache are the lines of memory.stat for page cache, of the cgroup and those below it.
	cache []string
}

var filesOf = map[int]names{
	1: {
		max: "memory.limit_in_bytes", current: "memory.usage_in_bytes",
		swapMax: "memory.memsw.limit_in_bytes", swapCurrent: "memory.memsw.usage_in_bytes", together: true,
		cache: []string{"total_inactive_file", "total_active_file"},
	},
	2: {
		max: "memory.max", high: "memory.high", current: "memory.current",
		swapMax: "memory.swap.max", swapCurrent: "memory.swap.current",
		cache: []string{"inactive_file", "active_file"},
	},
}

// none is what v1 has for a limit that is not set, or more: the largest number of bytes in
// pages of up to 64 KiB (PAGE_COUNTER_MAX of include/linux/page_counter.h).
const none = 1<<63 - 64<<10

// cgroups reads the limits of the process's cgroup and of those further up.
func (r *reader) cgroups(dir string) {
	text, err := r.file(dir, "cgroup")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // a kernel without cgroups has no such file
			r.unread("the cgroup of the process")
		}
		return
	}
	member, ok := cgroup.Memory(cgroup.Memberships(text))
	if !ok {
		return
	}
	version := 1
	if member.Hierarchy == cgroup.V2 {
		version = 2
	}
	mountinfo, err := r.file("proc/self/mountinfo")
	if err != nil {
		r.unread("the mounts of cgroups")
		return
	}
	for _, m := range cgroup.Mounts(mountinfo) {
		rest, ok := m.Below(member.Path)
		if !ok || !m.Shows(member.Hierarchy) {
			continue
		}
		// Another mount may hide this one.
		if _, err := r.file(m.Point, rest, "cgroup.procs"); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r.levels(m.Point, rest, member.Path, version)
		return
	}
	r.unread("the limits of cgroup " + member.Path + ", which no mount shows")
}

// levels reads the limits of a cgroup, whose path below the mount is rest, and of those that
// it is in.
func (r *reader) levels(point, rest, name string, version int) {
	l := level{reader: r, names: filesOf[version]}
	for {
		l.dir, l.path = path.Join(point, rest), name
		c, swap := l.read()
		list := r.limits.Cgroups
		if c.Max.Set || c.High.Set {
			list = append(list, c)
		}
		// What is swapped out counts further up, too.
		for i := range list {
			list[i].SwapFree = min(list[i].SwapFree, swap)
		}
		r.limits.Cgroups = list
		if rest == "" {
			return
		}
		rest, name = parent(rest), "/"+strings.TrimPrefix(parent(name), "/")
		// In v1 a cgroup may leave out those below it, as was the default before Linux 5.11.
		if text, err := r.file(point, rest, "memory.use_hierarchy"); err == nil && strings.TrimSpace(text) == "0" {
			return
		}
	}
}

// parent returns a path without its last element.
func parent(path string) string {
	return path[:max(0, strings.LastIndexByte(path, '/'))]
}

// level is one cgroup on the way up.
type level struct {
	*reader
	names
	dir, path string
}

// read reads the limits of one cgroup, and how much more may be swapped out of it.
func (l *level) read() (c Cgroup, swap uint64) {
	c = Cgroup{Path: l.path, Max: l.limit(l.max), High: l.limit(l.high), SwapFree: l.limits.Machine.SwapFree}
	swap = c.SwapFree
	if swap > 0 {
		swap = l.swap()
	}
	if !c.Max.Set && !c.High.Set {
		return c, swap
	}
	current, err := l.file(l.dir, l.current)
	used := parse(current)
	stat, statErr := l.file(l.dir, "memory.stat")
	if err != nil || !used.Set || statErr != nil {
		l.unread("what is used of the limit of cgroup " + l.path)
		return Cgroup{}, swap
	}
	for _, name := range l.cache {
		c.Cache += line(stat, name)
	}
	used.Value -= min(used.Value, c.Cache)
	if c.Max.Set {
		c.Max.Used = used.Value
	}
	if c.High.Set {
		c.High.Used = used.Value
	}
	return c, swap
}

// limit reads a limit. The root has none, and neither has a cgroup without the memory
// controller: there are no such files then.
func (l *level) limit(name string) Limit {
	if name == "" {
		return Limit{}
	}
	text, err := l.file(l.dir, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.unread(name + " of cgroup " + l.path)
	}
	if limit := parse(text); limit.Value < none {
		return limit
	}
	return Limit{}
}

// swap returns how many bytes may still be swapped out by this cgroup's limit. Where that of
// v1 is on memory and swap together, this is by how much it is further away than that on
// memory.
func (l *level) swap() uint64 {
	room := func(limit, current string) uint64 {
		most := l.limit(limit)
		if !most.Set {
			return math.MaxUint64
		}
		text, _ := l.file(l.dir, current) // unread, it counts as nothing
		most.Used = parse(text).Value
		return most.Room()
	}
	swap := room(l.swapMax, l.swapCurrent)
	if l.together && swap < math.MaxUint64 {
		memory := room(l.max, l.current)
		swap -= min(swap, memory)
	}
	return swap
}

// line returns a number of memory.stat.
func line(stat, name string) uint64 {
	_, rest, _ := strings.Cut("\n"+stat, "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return parse(value).Value
}
