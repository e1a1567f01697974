package unwind

import (
	"encoding/binary"
	"sync"
)

const (
	// maxRules is the number of rules that the 16 bits in a row can name.
	maxRules = 1 << 16
	// maxRulesWithRuns is how far runs may fill a dictionary. Runs only save memory, while a
	// rule that finds no room is lost.
	maxRulesWithRuns = maxRules / 2
)

// Dictionary gives each distinct Rule a 16-bit index, which the rows of all tables hold. Index
// 0 is the CFAUnknown rule. Rules are only added, never changed or removed, so an index stays
// valid for the dictionary's life. The rules of a run must be adjacent, so they are stored a
// second time. The zero Dictionary is ready for use. It is safe for concurrent use.
type Dictionary struct {
	mu    sync.Mutex
	index map[Rule]uint16
	rules []Rule
	// sequences gives the first index of the rules of a run. The key is the indices of the
	// same rules on their own, two bytes each.
	sequences map[string]uint16
}

// Rules returns the rules by index, at least the one at index 0. The slice is a snapshot that
// must not be modified. A later call returns a longer slice with the same start.
func (d *Dictionary) Rules() []Rule {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.rules[:len(d.rules):len(d.rules)]
}

// intern returns the index of r, and adds r if it is new. It returns 0 and false if the
// dictionary is full.
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
	return d.add(r), true
}

// internRun returns the index of the run with the given mask and rules. It returns 0 if it
// would have to add more than most entries, or if the dictionary is too full.
func (d *Dictionary) internRun(mask uint32, indices []uint16, most int) uint16 {
	key := make([]byte, 0, 2*(maxRunBytes+1))
	for _, i := range indices {
		key = binary.LittleEndian.AppendUint16(key, i)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	first, ok := d.sequences[string(key)]
	if ok {
		if i, ok := d.index[runRule(first, mask)]; ok {
			return i
		}
		indices = nil
	}
	if added := len(indices) + 1; added > most || len(d.rules)+added > maxRulesWithRuns {
		return 0
	}
	if !ok {
		first = uint16(len(d.rules))
		for _, i := range indices {
			d.rules = append(d.rules, d.rules[i])
		}
		d.sequences[string(key)] = first
	}
	return d.add(runRule(first, mask))
}

// add appends a rule that is not yet in the index.
func (d *Dictionary) add(r Rule) uint16 {
	i := uint16(len(d.rules))
	d.rules = append(d.rules, r)
	d.index[r] = i
	return i
}

func (d *Dictionary) init() {
	if d.rules == nil {
		d.rules = []Rule{{}}
		d.index = map[Rule]uint16{{}: 0}
		d.sequences = make(map[string]uint16)
	}
}
