package region

import (
	"strings"

	"memtrace/symbolize/procmaps"
)

// maxName is the longest name that a Segment keeps, in bytes.
const maxName = 256

// classifier assigns classes to the mappings of one poll, in order of address.
type classifier struct {
	src   Source
	facts Facts
	// stacks are in order of address; those below the current mapping are cut off.
	stacks []StackAddress
	// old is the layout of the previous poll: what is unchanged is not read again, unless
	// fresh is set.
	old   *layout
	fresh bool
	// bss is the end of the bss after each mapping, as it was when first seen.
	bss map[uint64]uint64

	out *layout
	// data is the class of the writable file mapping that ended at dataEnd.
	data    Class
	dataEnd uint64
	// heapEnd is the end of the addresses of the last arena heap.
	heapEnd uint64
	// found is called with the size of every new chunk.
	found func(bytes uint64)
}

// add appends a segment.
func (c *classifier) add(start, end uint64, class Class, m *procmaps.Mapping, items int) {
	if start >= end {
		return
	}
	c.out.add(Segment{
		Start: start, End: end, Class: class, Reserved: m.Perms.None(), Items: items, Name: shortName(m.Path),
		clean: cleanFile(m, class),
	})
}

// cleanFile reports whether a mapping has none but pages of a file.
func cleanFile(m *procmaps.Mapping, class Class) bool {
	switch {
	case !ofFile(m):
		return false
	case m.Perms&procmaps.Shared != 0:
		return class != Shared
	}
	return m.Perms&procmaps.Write == 0
}

// ofFile reports whether a mapping is one of a file or of shared memory.
func ofFile(m *procmaps.Mapping) bool { return m.Inode != 0 || strings.HasPrefix(m.Path, "/") }

func shortName(s string) string {
	if len(s) > maxName {
		return strings.Clone(s[:maxName])
	}
	return s
}

// mapping classifies the next mapping.
func (c *classifier) mapping(m *procmaps.Mapping) {
	if m.Path == "[vsyscall]" {
		return // at a fixed address in the kernel's range; statm and smaps leave it out
	}
	c.out.begin(m)
	dataEnd := c.dataEnd
	c.dataEnd = 0
	switch class, ok := c.byName(m); {
	case ok:
		c.add(m.Start, m.End, class, m, 1)
		if m.Perms&(procmaps.Write|procmaps.Shared) == procmaps.Write && (class == Data || class == Library) {
			c.data, c.dataEnd = class, m.End
		}
	case m.Perms.None():
		c.reserved(m)
	case dataEnd == m.Start && m.Perms&procmaps.Write != 0:
		c.behindData(m)
	default:
		c.anonymous(m)
	}
}

// byName returns the class of mappings that are not plain anonymous memory.
func (c *classifier) byName(m *procmaps.Mapping) (class Class, ok bool) {
	switch {
	case ofFile(m):
		return c.file(m), true
	case m.Path == "":
		return Mmap, false
	case m.Path == "[heap]":
		return Brk, true
	case m.Path == "[stack]":
		return MainStack, true
	case strings.HasPrefix(m.Path, "[stack:"):
		return ThreadStack, true // Linux 3.4 to 4.4
	case strings.HasPrefix(m.Path, "[vdso"), strings.HasPrefix(m.Path, "[vvar"), m.Path == "[uprobes]", m.Path == "[sigpage]":
		return VDSO, true
	case strings.HasPrefix(m.Path, "[anon_shmem:"):
		return Shared, true
	// glibc 2.39 and later set these names with the tunable glibc.mem.decorate_maps.
	case m.Path == "[anon: glibc: malloc]":
		return MallocMmap, true
	case strings.HasPrefix(m.Path, "[anon: glibc: pthread"):
		return ThreadStack, true
	case strings.HasPrefix(m.Path, "[anon:"):
		return Mmap, false
	}
	return Other, true
}

// file returns the class of a mapping of a file, or of something named like one.
func (c *classifier) file(m *procmaps.Mapping) Class {
	name := strings.TrimSuffix(m.Path, " (deleted)")
	shared := m.Perms&procmaps.Shared != 0
	switch {
	case m.Path == c.facts.Exe || m.Inode != 0 && m.Inode == c.facts.Inode && m.Dev == c.facts.Dev:
		if m.Perms&procmaps.Write != 0 {
			return Data
		}
		return Text
	case strings.HasPrefix(name, "/anon_hugepage"):
		if shared {
			return Shared
		}
		return Mmap
	case strings.HasPrefix(name, "/dev/zero"), strings.HasPrefix(name, "/SYSV"), strings.HasPrefix(name, "/memfd:"),
		strings.HasPrefix(name, "/dev/shm/"), strings.HasPrefix(name, "/dev/hugepages/"):
		return Shared
	case strings.HasPrefix(name, "/dev/"), !strings.HasPrefix(name, "/"), strings.HasPrefix(name, "/[aio]"):
		return Other
	case m.Perms&procmaps.Exec != 0, strings.HasSuffix(name, ".so"), strings.Contains(name, ".so."),
		c.out.libraries[shortName(m.Path)]:
		c.out.libraries[shortName(m.Path)] = true
		return Library
	case c.facts.Tmpfs[m.Dev]:
		return Shared
	}
	return File
}

// behindData classifies anonymous memory right after the writable data of a file as its bss. A
// bss does not grow: what is added to the mapping later is other memory that the kernel joined
// with it.
func (c *classifier) behindData(m *procmaps.Mapping) {
	end, known := c.bss[m.Start]
	if !known {
		end = m.End
		c.bss[m.Start] = end
	}
	end = min(end, m.End)
	c.add(m.Start, end, c.data, m, 0)
	if end < m.End {
		rest := *m
		rest.Start = end
		c.anonymous(&rest)
	}
}

// reserved classifies memory without access rights. It is the reserved part of an arena heap,
// or Mmap for now; guard may find that it is the guard of a stack.
func (c *classifier) reserved(m *procmaps.Mapping) {
	start := m.Start
	if c.heapEnd > m.Start {
		end := min(c.heapEnd, m.End)
		c.add(start, end, Arena, m, 0)
		start = end
	}
	c.add(start, m.End, Mmap, m, 1)
}
