package heap

import (
	"cmp"
	"slices"
	"time"

	"memtrace/tracer/book/live"
)

// snapshot knows nothing of growth, and of survival only if older is 0.
func (m *model) snapshot(pid uint32, older time.Duration) Snapshot {
	snap := Snapshot{Snapshot: live.Snapshot{Now: m.now, Exited: len(m.procs) > 0}}
	if pid != 0 {
		snap.Exited = m.procs[pid] != nil
	}
	for other, p := range m.procs {
		if pid == 0 || pid == other {
			snap.Counters.add(&p.Counters)
			snap.Exited = snap.Exited && p.exited
		}
	}
	byKey := map[live.Key][]*modelBlock{}
	for _, b := range m.blocks {
		if pid == 0 || b.pid == pid {
			key := live.Key{ID: b.stack, PID: b.pid}
			byKey[key] = append(byKey[key], b)
		}
	}
	for key, blocks := range byKey {
		st := live.Stack{ID: key.ID, PID: key.PID}
		var outstanding, counted float64
		for _, b := range blocks {
			st.AllocatedBytes += b.size
			st.AllocatedBlocks++
			if b.state == isFreed {
				st.FreedBlocks++
			}
			if b.state != isDropped {
				counted++
			}
			if b.state != isLive {
				continue
			}
			outstanding++
			age := time.Duration(m.now - b.time)
			if age < older {
				snap.Young.Add(b.size)
				st.Young += b.size
				continue
			}
			snap.Outstanding.Add(b.size)
			st.Add(b.size)
			st.BlockList = append(st.BlockList, live.Block{Address: b.addr, Bytes: b.size, Age: age})
		}
		if older == 0 && counted > 0 {
			st.Survival = outstanding / counted
		}
		for i, b := range st.BlockList {
			if i == 0 {
				st.Oldest, st.Youngest = b.Age, b.Age
			}
			st.Oldest, st.Youngest = max(st.Oldest, b.Age), min(st.Youngest, b.Age)
		}
		slices.SortFunc(st.BlockList, func(a, b live.Block) int {
			if a.Bytes != b.Bytes {
				return int(b.Bytes) - int(a.Bytes)
			}
			return int(a.Address) - int(b.Address)
		})
		snap.Stacks = append(snap.Stacks, st)
	}
	slices.SortFunc(snap.Stacks, func(a, b live.Stack) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID), cmp.Compare(a.PID, b.PID))
	})
	if p := m.procs[pid]; p != nil {
		snap.Old, snap.OldUnsized = p.old()
	}
	m.replace(&snap)
	return snap
}
