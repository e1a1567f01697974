package srcinfo

import (
	"cmp"
	"debug/dwarf"
	"fmt"
	"slices"

	"memtrace/symbolize/internal/interval"
)

const (
	// maxScopes bounds the functions and inlined calls of one unit. A program linked with full
	// LTO may consist of a single unit.
	maxScopes = 8 << 20
	// maxDepth bounds how deep entries nest.
	maxDepth = 4096
	// maxChain bounds the inlined calls in progress at one address.
	maxChain = 256

	scopeBytes = 32 + 32 // memory of a scope and of a range
)

// scope is a function or an inlined call that has code.
type scope struct {
	die      uint64 // offset of the entry in .debug_info
	parent   int32  // index of the scope it is inlined into, -1 for a function
	callFile uint32
	callLine uint32
	inline   bool
}

// scopeTree holds the scopes of a unit, parents before children.
type scopeTree struct {
	scopes []scope
	ranges interval.Set // Ref: index in scopes
}

// chain returns the scopes that contain an address, innermost first.
func (t *scopeTree) chain(addr uint64) []*scope {
	if t == nil {
		return nil
	}
	e, ok := t.ranges.Find(addr)
	if !ok {
		return nil
	}
	var chain []*scope
	for i := int32(e.Ref); i >= 0 && len(chain) < maxChain; i = t.scopes[i].parent {
		chain = append(chain, &t.scopes[i])
	}
	return chain
}

// loadScopes decodes a unit's entries once.
func (d *Data) loadScopes(u *unit) error {
	if u.scopes != nil {
		return nil
	}
	u.scopes = new(scopeTree) // set it even if the unit is malformed: there is no second try
	size := u.end - u.entries
	if size > maxUnitSize {
		return fmt.Errorf("unit of %d bytes at %#x: %w", size, u.off, errMalformed)
	}
	if err := d.budget.Work(size); err != nil {
		return err
	}
	data, err := d.info.at(u.entries, size)
	if err != nil {
		return fmt.Errorf("read unit at %#x: %w", u.off, err)
	}
	table, err := d.abbrevTable(u.abbrevOff)
	if err != nil {
		return err
	}
	b := scopeBuilder{d: d, u: u, table: table}
	err = b.walk(&cursor{data: data, base: u.entries})
	u.scopes.scopes = b.scopes
	u.scopes.ranges = interval.New(b.ranges)
	if err != nil {
		return fmt.Errorf("unit at %#x: %w", u.off, err)
	}
	return nil
}

type scopeBuilder struct {
	d      *Data
	u      *unit
	table  *abbrevTable
	scopes []scope
	ranges []interval.Entry
}

func (b *scopeBuilder) lookup(code uint64) (*abbrev, error) {
	if a := b.table.lookup(code); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("abbreviation %d: %w", code, errMalformed)
}

// walk visits all entries of a unit in file order.
func (b *scopeBuilder) walk(c *cursor) error {
	var parents []int32 // scopes of the entries whose children follow
	for c.more() {
		e, err := c.entry(b.u.encoding, b.lookup)
		if err != nil {
			return err
		}
		if c.failed {
			return fmt.Errorf("entry at %#x: %w", e.off, errMalformed)
		}
		if e.tag == 0 {
			if len(parents) > 0 {
				parents = parents[:len(parents)-1]
			}
			continue
		}
		parent := int32(-1)
		if len(parents) > 0 {
			parent = parents[len(parents)-1]
		}
		self, err := b.add(&e, parent)
		if err != nil {
			return err
		}
		if e.children {
			if len(parents) >= maxDepth {
				return fmt.Errorf("entries nest deeper than %d: %w", maxDepth, errMalformed)
			}
			parents = append(parents, self)
		}
	}
	return nil
}

// add records an entry that has code of its own. It returns the scope of the entry's children.
func (b *scopeBuilder) add(e *entry, parent int32) (int32, error) {
	s := scope{die: e.off, parent: parent}
	switch e.tag {
	case dwarf.TagSubprogram:
		s.parent = -1 // a nested function is not inlined into the outer one
	case dwarf.TagInlinedSubroutine:
		if parent < 0 {
			return parent, nil
		}
		s.inline = true
		s.callFile = uint32(min(e.callFile, 1<<32-1))
		s.callLine = uint32(min(e.callLine, 1<<31-1))
	default:
		return parent, nil
	}
	if len(b.scopes) >= maxScopes {
		return parent, fmt.Errorf("more than %d functions: %w", maxScopes, errMalformed)
	}
	self := int32(len(b.scopes))
	first := len(b.ranges)
	err := b.d.eachRange(b.u, e, func(low, high uint64) error {
		if err := b.d.budget.Keep(scopeBytes); err != nil {
			return err
		}
		b.ranges = append(b.ranges, interval.Entry{Low: low, High: high, Ref: uint32(self)})
		return nil
	})
	if len(b.ranges) == first {
		// It is only a declaration, or only an abstract function to be inlined.
		return s.parent, err
	}
	b.ranges = b.ranges[:first+len(joinAdjacent(b.ranges[first:]))]
	b.scopes = append(b.scopes, s)
	return self, err
}

// joinAdjacent merges ranges that touch, in place: a call inlined across the border of two
// ranges must not seem to lie outside of both.
func joinAdjacent(ranges []interval.Entry) []interval.Entry {
	slices.SortFunc(ranges, func(a, b interval.Entry) int { return cmp.Compare(a.Low, b.Low) })
	joined := ranges[:1]
	for _, r := range ranges[1:] {
		if last := &joined[len(joined)-1]; r.Low <= last.High {
			last.High = max(last.High, r.High)
		} else {
			joined = append(joined, r)
		}
	}
	return joined
}
