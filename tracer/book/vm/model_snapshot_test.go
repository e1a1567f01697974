package vm

import (
	"cmp"
	"slices"
	"time"

	"memtrace/tracer/book/live"
)

// snapshot knows nothing of growth, and of survival only if older is 0.
func (m *model) snapshot(older time.Duration) Snapshot {
	snap := Snapshot{Snapshot: live.Snapshot{Now: m.now, Exited: len(m.spaces) > 0}}
	byKey := map[live.Key]*live.Stack{}
	held := map[*modelMapping]bool{}
	counted := map[live.Key]float64{}
	for _, mm := range m.mappings {
		key := live.Key{ID: mm.stack, PID: mm.pid}
		if byKey[key] == nil {
			byKey[key] = &live.Stack{ID: mm.stack, PID: mm.pid, Oldest: -1}
		}
		byKey[key].AllocatedBlocks++
		byKey[key].AllocatedBytes += mm.bytes
	}
	for _, sp := range m.spaces {
		snap.Counters.add(&sp.Counters)
		snap.Exited = snap.Exited && sp.exited
		for _, r := range sp.runs() {
			held[r.of] = true
			st, age := byKey[live.Key{ID: r.of.stack, PID: r.of.pid}], time.Duration(m.now-r.of.time)
			if age < older {
				snap.Young.Add(r.bytes())
				st.Young += r.bytes()
				continue
			}
			snap.Outstanding.Add(r.bytes())
			st.Add(r.bytes())
			if st.Oldest < 0 {
				st.Oldest, st.Youngest = age, age
			}
			st.Oldest, st.Youngest = max(st.Oldest, age), min(st.Youngest, age)
			st.BlockList = append(st.BlockList, live.Block{Address: r.start, Bytes: r.bytes(), Age: age})
		}
	}
	for _, mm := range m.mappings {
		key := live.Key{ID: mm.stack, PID: mm.pid}
		switch {
		case held[mm]:
			byKey[key].Survival++
			counted[key]++
		case !mm.dropped:
			byKey[key].FreedBlocks++
			counted[key]++
		}
	}
	for key, st := range byKey {
		st.Survival /= max(counted[key], 1)
		st.Oldest = max(st.Oldest, 0)
		slices.SortFunc(st.BlockList, func(a, b live.Block) int {
			if a.Bytes != b.Bytes {
				return int(b.Bytes) - int(a.Bytes)
			}
			return int(a.Address) - int(b.Address)
		})
		snap.Stacks = append(snap.Stacks, *st)
	}
	slices.SortFunc(snap.Stacks, func(a, b live.Stack) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID), cmp.Compare(a.PID, b.PID))
	})
	return snap
}
