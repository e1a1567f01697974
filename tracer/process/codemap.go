package process

import (
	"errors"
	"fmt"
	"slices"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/region/proc"
)

// codeMap is the executable mappings of a process, shared by all who ask. It is kept current
// by asking the kernel only for the ranges that changed: a process may have tens of thousands
// of mappings, and make memory executable a thousand times a second. Kernels before 6.11
// cannot be asked for single mappings; there everything is listed.
type codeMap struct {
	pid   int
	query *procmaps.Query // nil where the kernel has none
	// list is in order of address. A mapping that was executable once stays in it while it is
	// the same memory: JIT compilers drop the right and restore it all the time.
	list []procmaps.Mapping
}

// addresses are those from start up to end.
type addresses struct{ start, end uint64 }

func (a addresses) overlaps(m *procmaps.Mapping) bool { return a.start < m.End && m.Start < a.end }

// codeChange says where mappings may have changed: in some ranges, or anywhere.
type codeChange struct {
	all    bool
	ranges []addresses
}

// mostRanges is how many ranges are looked at one by one, mostMappings how many mappings in
// each of them. Beyond that, all mappings are listed.
const (
	mostRanges   = 256
	mostMappings = 64
)

func (c *codeChange) add(r addresses) {
	switch {
	case slices.Contains(c.ranges, r):
	case len(c.ranges) < mostRanges:
		c.ranges = append(c.ranges, r)
	default:
		c.all = true
	}
}

var errTooMany = errors.New("too many mappings in a range")

// newCodeMap lists what a process maps now.
func newCodeMap(pid int) (*codeMap, error) {
	c := &codeMap{pid: pid}
	var err error
	if c.query, err = procmaps.OpenQuery(pid); err != nil && !errors.Is(err, procmaps.ErrNoQuery) {
		return nil, fmt.Errorf("read the mappings of process %d: %w", pid, err)
	}
	if err := c.readAll(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// renewCode starts over, for a process that has executed another program.
func (p *Process) renewCode() error {
	code, err := newCodeMap(p.target.PID)
	if err != nil {
		return err
	}
	old := p.code
	p.code = code
	return old.Close()
}

// update looks at what may have changed, and reports whether it has.
func (c *codeMap) update(change *codeChange) (bool, error) {
	before := c.list
	if change.all || c.query == nil {
		err := c.readAll()
		return err == nil && !slices.Equal(before, c.list), err
	}
	changed := false
	for _, r := range change.ranges {
		r = c.widened(r)
		found, err := c.mappings(r)
		if errors.Is(err, errTooMany) {
			return c.update(&codeChange{all: true})
		}
		if err != nil {
			return changed, err
		}
		changed = c.replace(r, found) || changed
	}
	return changed, nil
}

// widened extends a range to cover every known mapping that overlaps it: if one was split,
// what is left of it must be asked for too.
func (c *codeMap) widened(r addresses) addresses {
	wide := r
	for i := range c.list {
		if m := &c.list[i]; r.overlaps(m) {
			wide = addresses{min(wide.start, m.Start), max(wide.end, m.End)}
		}
	}
	return wide
}

// mappings returns the mappings in a range, of all kinds.
func (c *codeMap) mappings(r addresses) (found []procmaps.Mapping, err error) {
	for addr := r.start; addr < r.end; {
		var m procmaps.Mapping
		ok, err := c.query.Next(addr, &m)
		if err != nil {
			return nil, err
		}
		if !ok || m.Start >= r.end {
			break
		}
		if len(found) == mostMappings {
			return nil, errTooMany
		}
		found = append(found, m)
		addr = m.End
	}
	return found, nil
}

// replace replaces what was known of a range by what is mapped there now, and reports whether
// that differs.
func (c *codeMap) replace(r addresses, found []procmaps.Mapping) bool {
	first := slices.IndexFunc(c.list, func(m procmaps.Mapping) bool { return m.End > r.start })
	if first < 0 {
		first = len(c.list)
	}
	last := first
	for last < len(c.list) && c.list[last].Start < r.end {
		last++
	}
	known := c.list[first:last]
	var fresh []procmaps.Mapping
	for _, m := range found {
		if m.Perms&procmaps.Exec != 0 || slices.ContainsFunc(known, func(k procmaps.Mapping) bool { return sameMemory(&k, &m) }) {
			m.Perms = procmaps.Exec
			fresh = append(fresh, m)
		}
	}
	// A mapping may reach beyond the range, and so may what was known of it.
	for len(fresh) > 0 && first > 0 && c.list[first-1].End > fresh[0].Start {
		first--
	}
	for len(fresh) > 0 && last < len(c.list) && c.list[last].Start < fresh[len(fresh)-1].End {
		last++
	}
	if slices.Equal(c.list[first:last], fresh) {
		return false
	}
	// Callers may still hold the old list, so it is not changed in place.
	c.list = slices.Concat(c.list[:first], fresh, c.list[last:])
	return true
}

// sameMemory reports whether two mappings share an address that means the same in both.
func sameMemory(a, b *procmaps.Mapping) bool {
	return addresses{a.Start, a.End}.overlaps(b) && a.Dev == b.Dev && a.Inode == b.Inode &&
		(a.Inode == 0 || a.Start-a.Offset == b.Start-b.Offset)
}

// readAll lists all executable mappings.
func (c *codeMap) readAll() error {
	var list []procmaps.Mapping
	var s procmaps.Scanner
	total, err := s.ScanProcess(c.pid, func(m *procmaps.Mapping) {
		if m.Perms&procmaps.Exec != 0 {
			list = append(list, *m)
			list[len(list)-1].Perms = procmaps.Exec
		}
	})
	switch {
	case err != nil && !errors.Is(err, procmaps.ErrLine):
		return fmt.Errorf("read the mappings of process %d: %w", c.pid, err)
	case total == 0:
		return fmt.Errorf("read the mappings of process %d: %w", c.pid, proc.ErrExiting)
	}
	c.list = list
	return nil
}

// Close closes the query.
func (c *codeMap) Close() error {
	if c == nil || c.query == nil {
		return nil
	}
	return c.query.Close()
}
