package process

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/region/proc"
)

// codeMap is what a process has mapped executably, for all who ask. It is kept by
// asking the kernel for the ranges that have changed: a process may have tens of
// thousands of mappings, and make memory executable a thousand times a second. Kernels
// that cannot be asked so (before 6.11) list everything.
type codeMap struct {
	pid   int
	query *procmaps.Query // nil where there is none
	// list is by address. What was executable once and is the same memory still stays:
	// compilers at run time take the right away and give it back all the time.
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

// mostRanges is how many are looked at one by one, mostMappings how many mappings in
// each of them; where there are more all are listed.
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

// renewCode begins anew, for a process that has executed another program.
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

// widened is a range with the whole of each known mapping in it: what is left of one
// that was split is asked for too.
func (c *codeMap) widened(r addresses) addresses {
	wide := r
	for i := range c.list {
		if m := &c.list[i]; r.overlaps(m) {
			wide = addresses{min(wide.start, m.Start), max(wide.end, m.End)}
		}
	}
	return wide
}

// mappings are those in a range, of all kinds.
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

// replace puts what is mapped in a range now in the place of what was known of it, and
// reports whether that is something else.
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
	// Whoever was given the list has it still.
	c.list = slices.Concat(c.list[:first], fresh, c.list[last:])
	return true
}

// sameMemory reports whether two mappings have an address in common at which they mean
// the same.
func sameMemory(a, b *procmaps.Mapping) bool {
	return addresses{a.Start, a.End}.overlaps(b) && a.Dev == b.Dev && a.Inode == b.Inode &&
		(a.Inode == 0 || a.Start-a.Offset == b.Start-b.Offset)
}

// readAll lists everything.
func (c *codeMap) readAll() error {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", c.pid))
	if err != nil {
		return fmt.Errorf("read the mappings of process %d: %w", c.pid, err)
	}
	defer file.Close()
	var list []procmaps.Mapping
	var s procmaps.Scanner
	total, err := s.Scan(file, func(m *procmaps.Mapping) {
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

// Close ends the questions.
func (c *codeMap) Close() error {
	if c == nil || c.query == nil {
		return nil
	}
	return c.query.Close()
}
