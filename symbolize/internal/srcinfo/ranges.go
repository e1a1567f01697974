package srcinfo

import (
	"fmt"
)

// These are the entries of a DWARF 5 range list (section 7.25).
const (
	rleEndOfList    = 0
	rleBaseAddressx = 1
	rleStartxEndx   = 2
	rleStartxLength = 3
	rleOffsetPair   = 4
	rleBaseAddress  = 5
	rleStartEnd     = 6
	rleStartLength  = 7
)

const (
	// listChunk is how much of a range list is read first. Few are longer.
	listChunk = 1 << 10
	// maxList is the longest range list that is read, in bytes.
	maxList = 16 << 20
)

// eachRange yields the ranges of executable addresses that an entry covers. It returns the
// first error of yield.
func (d *Data) eachRange(u *unit, e *entry, yield func(low, high uint64) error) error {
	add := func(low, high uint64) error {
		if low < high && d.executable(low) {
			return yield(low, high)
		}
		return nil
	}
	if low, ok := d.address(u, e.low); ok && e.high.kind != kindNone {
		high, absolute := d.address(u, e.high)
		if !absolute {
			high = low + e.high.n
		}
		return add(low, high)
	}
	off := e.ranges.n
	switch e.ranges.kind {
	case kindListIndex:
		var ok bool
		if off, ok = d.indexedList(u, off); !ok {
			return fmt.Errorf("range list %d: %w", e.ranges.n, errMalformed)
		}
	case kindConstant:
	default:
		return nil
	}
	section, list := d.ranges, d.rangesV4
	if u.version >= 5 {
		section, list = d.rnglists, d.rangesV5
	}
	done := uint64(0) // entries already yielded from the first chunk
	for _, n := range []uint64{listChunk, maxList} {
		c := cursor{data: section.upTo(off, n), base: off}
		if err := d.budget.Work(c.left()); err != nil {
			return err
		}
		seen := uint64(0)
		ended, err := list(u, &c, func(low, high uint64) error {
			if seen++; seen <= done {
				return nil
			}
			return add(low, high)
		})
		if ended || err != nil {
			return err
		}
		done = seen
		if uint64(len(c.data)) < n {
			break
		}
	}
	return fmt.Errorf("range list at %#x has no end: %w", off, errMalformed)
}

func (d *Data) indexedList(u *unit, index uint64) (uint64, bool) {
	size := uint64(4)
	if u.dwarf64 {
		size = 8
	}
	if index > d.rnglists.size {
		return 0, false
	}
	raw, err := d.rnglists.at(u.rnglistBase+index*size, size)
	if err != nil {
		return 0, false
	}
	c := cursor{data: raw}
	return u.rnglistBase + c.offset(u.dwarf64), true
}

// rangesV4 reads a list of .debug_ranges. It reports whether the list ended within the
// cursor's data.
func (d *Data) rangesV4(u *unit, c *cursor, yield func(low, high uint64) error) (ended bool, err error) {
	base := u.low
	// The largest address means that a base follows.
	selector := ^uint64(0)
	if u.addrSize < 8 {
		selector = 1<<(8*u.addrSize) - 1
	}
	for {
		low, high := c.sized(u.addrSize), c.sized(u.addrSize)
		switch {
		case c.failed:
			return false, nil
		case low == 0 && high == 0:
			return true, nil
		case low == selector:
			base = high
		default:
			if err := yield(base+low, base+high); err != nil {
				return false, err
			}
		}
	}
}

// rangesV5 reads a list of .debug_rnglists. It reports whether the list ended within the
// cursor's data.
func (d *Data) rangesV5(u *unit, c *cursor, yield func(low, high uint64) error) (ended bool, err error) {
	base := u.low
	for {
		var low, high uint64
		known := true // of addresses that are looked up in .debug_addr
		both := func(low, high bool) { known = low && high }
		kind := c.u8()
		switch kind {
		case rleEndOfList:
			return !c.failed, nil
		case rleBaseAddressx:
			base, known = d.indexedAddress(u, c.uleb())
		case rleStartxEndx:
			var lowOK, highOK bool
			low, lowOK = d.indexedAddress(u, c.uleb())
			high, highOK = d.indexedAddress(u, c.uleb())
			both(lowOK, highOK)
		case rleStartxLength:
			low, known = d.indexedAddress(u, c.uleb())
			high = low + c.uleb()
		case rleOffsetPair:
			low = base + c.uleb()
			high = base + c.uleb()
		case rleBaseAddress:
			base = c.sized(u.addrSize)
		case rleStartEnd:
			low, high = c.sized(u.addrSize), c.sized(u.addrSize)
		case rleStartLength:
			low = c.sized(u.addrSize)
			high = low + c.uleb()
		default:
			return false, fmt.Errorf("range list entry %d: %w", kind, errMalformed)
		}
		if c.failed {
			return false, nil
		}
		if kind == rleBaseAddress || kind == rleBaseAddressx || !known {
			continue
		}
		if err := yield(low, high); err != nil {
			return false, err
		}
	}
}
