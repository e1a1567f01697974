package cohort

import "time"

// Member is a block of the last look that has come since the first one.
type Member struct {
	Addr uint64
	// From and To are the looks between which it came: at To it was there as it is now, and at From
	// it was not.
	From, To time.Time
}

// Members are some blocks of a group, in order of their addresses. Came is how many have come since
// the first look in all. Alike are such blocks of all other groups of the same size and kind, where
// the kind is known.
type Members struct {
	Own, Alike []Member
	Came       uint64
}

// Members returns blocks of some groups of different keys, at most so many of each, which are then spread evenly over
// the addresses. It reads all blocks of the last look twice.
func (t *Tracker) Members(of []Growth, most int) []Members {
	all := make([]Members, len(of))
	own, alike := make(map[uint16]int), make(map[uint16][]int)
	for i := range of {
		for n, g := range t.groups {
			switch {
			case g.key == of[i].Key:
				own[uint16(n)] = i
			case g.key.Size == of[i].Size && g.key.Kind == of[i].Kind && g.key.Kind != 0:
				alike[uint16(n)] = append(alike[uint16(n)], i)
			}
		}
	}
	counts := make([][2]uint64, len(of))
	t.eachCome(own, alike, of, func(i, list int, _ uint64, _ *mark) { counts[i][list]++ })
	passed := make([][2]uint64, len(of))
	t.eachCome(own, alike, of, func(i, list int, addr uint64, m *mark) {
		n, total := passed[i][list], counts[i][list]
		passed[i][list]++
		if room := uint64(most); total > room && n*room/total == (n+1)*room/total {
			return
		}
		since := m.since(of[i].ByPlace)
		one := Member{Addr: addr, From: t.times[since-1], To: t.times[since]}
		if list == 0 {
			all[i].Own = append(all[i].Own, one)
		} else {
			all[i].Alike = append(all[i].Alike, one)
		}
	})
	for i := range all {
		all[i].Came = counts[i][0]
	}
	return all
}

// since is the look since which a block is there as it is now, or by its place alone.
func (m *mark) since(byPlace bool) uint8 {
	if byPlace {
		return m.placed
	}
	return m.born
}

// eachCome calls f with the address and the mark of every block that has come since the first look, for
// each of the growths that it belongs to (list 0) or is like (list 1).
func (t *Tracker) eachCome(own map[uint16]int, alike map[uint16][]int, of []Growth, f func(i, list int, addr uint64, m *mark)) {
	if t.blocks == nil {
		return
	}
	blocks, marks := t.blocks.Cursor(), cursor{from: &t.last}
	for b, ok := blocks.Next(); ok; b, ok = blocks.Next() {
		m, _ := marks.next()
		if m.born == 0 && m.placed == 0 {
			continue
		}
		if i, ok := own[m.group]; ok && m.since(of[i].ByPlace) > 0 {
			f(i, 0, b.Addr, &m)
		}
		for _, i := range alike[m.group] {
			if m.since(of[i].ByPlace) > 0 {
				f(i, 1, b.Addr, &m)
			}
		}
	}
}
