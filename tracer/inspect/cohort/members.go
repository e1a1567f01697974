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
	t.eachCome(own, alike, of, func(i, list int, _ *chunk, _ int) { counts[i][list]++ })
	passed := make([][2]uint64, len(of))
	t.eachCome(own, alike, of, func(i, list int, c *chunk, at int) {
		n, total := passed[i][list], counts[i][list]
		passed[i][list]++
		if room := uint64(most); total > room && n*room/total == (n+1)*room/total {
			return
		}
		e := c.get(at)
		since := e.since(of[i].ByPlace)
		m := Member{Addr: e.addr, From: t.times[since-1], To: t.times[since]}
		if list == 0 {
			all[i].Own = append(all[i].Own, m)
		} else {
			all[i].Alike = append(all[i].Alike, m)
		}
	})
	for i := range all {
		all[i].Came = counts[i][0]
	}
	return all
}

// since is the look since which a block is there as it is now, or by its place alone.
func (e *entry) since(byPlace bool) uint8 {
	if byPlace {
		return e.placed
	}
	return e.born
}

// eachCome calls f with every block that has come since the first look, for each of the growths that
// it belongs to (list 0) or is like (list 1).
func (t *Tracker) eachCome(own map[uint16]int, alike map[uint16][]int, of []Growth, f func(i, list int, c *chunk, at int)) {
	for _, c := range t.last.chunks {
		for at := range c.n {
			if c.born[at] == 0 && c.placed[at] == 0 {
				continue
			}
			e := entry{born: c.born[at], placed: c.placed[at]}
			if i, ok := own[c.group[at]]; ok && e.since(of[i].ByPlace) > 0 {
				f(i, 0, c, at)
			}
			for _, i := range alike[c.group[at]] {
				if e.since(of[i].ByPlace) > 0 {
					f(i, 1, c, at)
				}
			}
		}
	}
}
