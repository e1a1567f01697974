package code

import (
	"slices"
	"sort"

	"memtrace/tracer/event"
)

// most is how many ranges a Map holds. A process may have 65,530 mappings (vm.max_map_count).
const most = 1 << 14

// Map is what was mapped as code last at each address. The zero value is empty. It is not safe
// for concurrent use.
type Map struct {
	ranges []mapped // in order of address, none overlaps another
	count  uint64
}

// mapped is one range. Its order is higher than that of what was mapped before.
type mapped struct {
	start, end uint64
	code       event.CodeID
	order      uint64
}

// Set notes that code was mapped from start up to end. It returns false if that changes nothing.
func (m *Map) Set(start, end uint64, code event.CodeID) bool {
	if start >= end {
		return false
	}
	first := m.from(start)
	if first < len(m.ranges) {
		if r := &m.ranges[first]; r.start <= start && end <= r.end && r.code == code {
			return false
		}
	}
	last := first
	for last < len(m.ranges) && m.ranges[last].start < end {
		last++
	}
	m.count++
	fresh := []mapped{{start, end, code, m.count}}
	if last > first {
		if left := m.ranges[first]; left.start < start {
			left.end = start
			fresh = []mapped{left, fresh[0]}
		}
		if right := m.ranges[last-1]; right.end > end {
			right.start = end
			fresh = append(fresh, right)
		}
	}
	m.ranges = slices.Replace(m.ranges, first, last, fresh...)
	if len(m.ranges) > most {
		m.dropOldest()
	}
	return true
}

// Clone returns a copy.
func (m *Map) Clone() Map { return Map{slices.Clone(m.ranges), m.count} }

// dropOldest makes room. What it drops counts as event.FirstCode again.
func (m *Map) dropOldest() {
	orders := make([]uint64, len(m.ranges))
	for i := range m.ranges {
		orders[i] = m.ranges[i].order
	}
	slices.Sort(orders)
	oldest := orders[len(orders)/4]
	m.ranges = slices.DeleteFunc(m.ranges, func(r mapped) bool { return r.order < oldest })
}

// At returns the code at an address.
func (m *Map) At(addr uint64) event.CodeID {
	if i := m.from(addr); i < len(m.ranges) && m.ranges[i].start <= addr {
		return m.ranges[i].code
	}
	return event.FirstCode
}

// from returns the index of the first range that ends behind an address.
func (m *Map) from(addr uint64) int {
	return sort.Search(len(m.ranges), func(i int) bool { return m.ranges[i].end > addr })
}

// Of returns the code of each return address, nil if all of it is event.FirstCode.
func (m *Map) Of(addresses []uint64) (codes []event.CodeID) {
	for i, addr := range addresses {
		if code := m.At(addr - 1); code != event.FirstCode {
			if codes == nil {
				codes = make([]event.CodeID, len(addresses))
			}
			codes[i] = code
		}
	}
	return codes
}
