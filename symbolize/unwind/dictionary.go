package unwind

import "sync"

// maxRules is the number of rules that 16 bits of a row can name.
const maxRules = 1 << 16

// Dictionary gives each different Rule a 16-bit index, which is what the rows
// of all tables hold. Index 0 is the Unknown rule. Rules are only ever added,
// never changed or removed, so an index stays valid for the dictionary's life.
// The zero Dictionary is ready for use. It is safe for concurrent use.
type Dictionary struct {
	mu    sync.Mutex
	index map[Rule]uint16
	rules []Rule
}

// Rules returns the rules by index, at least the one at index 0. The slice is a
// snapshot that must not be modified; a later call returns a longer one with the
// same beginning.
func (d *Dictionary) Rules() []Rule {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.rules[:len(d.rules):len(d.rules)]
}

// intern returns the index of r, adding it if it is new. It returns 0 and false
// where the dictionary is full.
func (d *Dictionary) intern(r Rule) (uint16, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	if i, ok := d.index[r]; ok {
		return i, true
	}
	if len(d.rules) == maxRules {
		return 0, false
	}
	i := uint16(len(d.rules))
	d.rules = append(d.rules, r)
	d.index[r] = i
	return i, true
}

func (d *Dictionary) init() {
	if d.rules == nil {
		d.rules = []Rule{{}}
		d.index = map[Rule]uint16{{}: 0}
	}
}
