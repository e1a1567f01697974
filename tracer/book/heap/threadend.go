package heap

import (
	"time"

	"memtrace/tracer/event"
)

// When a thread ends, glibc frees what is in the thread's cache (tcache_thread_shutdown of
// malloc.c): block by block, the smallest sizes first, and at last the cache itself. The program
// had freed these blocks before. So these frees are not the program's, and their blocks are no
// old ones.
//
// What gives them away is their order, the size of the cache, and that nothing follows: a
// program that goes on did the frees itself, and they are counted after all.
const (
	// recentFrees is how many frees of unknown blocks are remembered of a process, of all
	// threads: a full cache has 7 blocks of each of 64 sizes.
	recentFrees = 512
	// largestCached is the largest chunk that a cache takes unless told otherwise.
	largestCached = 1040
	// together is the most time, in ns, between two frees of one end. A thread may wait for a
	// processor meanwhile, on an emulated machine for long.
	together = uint64(500 * time.Millisecond)
	// silence is how long, in ns, a thread has to be silent to count as ended. Its id may be
	// another thread's later.
	silence = uint64(time.Second)
)

// isCache reports whether a chunk has the size of a thread's cache: of glibc 2.26 to 2.29, and
// of 2.30 to 2.41.
func isCache(chunk uint64) bool { return chunk == 0x250 || chunk == 0x290 }

// unknownFree is a free of an unknown block, and where it is counted as one of an old block.
type unknownFree struct {
	tid   uint32
	time  uint64
	chunk uint64
	old   *oldSize
	// taken: it is no longer counted.
	taken bool
}

// threadEnds finds the frees of threads that end. The zero threadEnds is empty.
type threadEnds struct {
	// recent is a ring of which n entries were ever used.
	recent []unknownFree
	n      uint64
	// ended has the frees of threads that seem to have ended.
	ended map[uint32][]unknownFree
}

// add notes a free of an unknown block, which is counted already. If it ends a thread, all its
// frees are not counted any more.
func (e *threadEnds) add(p *process, ev *event.Event, old *oldSize) {
	if e.recent == nil {
		e.recent = make([]unknownFree, recentFrees)
	}
	e.recent[e.n%recentFrees] = unknownFree{tid: ev.TID, time: ev.Time, chunk: ev.Size, old: old}
	e.n++
	if !isCache(ev.Size) {
		return
	}
	var frees []unknownFree
	largest, next := uint64(largestCached), ev.Time
	for back := range min(e.n, recentFrees) {
		f := &e.recent[(e.n-1-back)%recentFrees]
		if f.tid != ev.TID {
			continue
		}
		if back > 0 && (f.taken || f.chunk > largest || next-min(f.time, next) > together) {
			break
		}
		if back > 0 && f.chunk > 0 {
			largest = f.chunk
		}
		f.taken, next = true, f.time
		f.old.takeBack(ev.Time, f.chunk)
		frees = append(frees, *f)
	}
	p.counters.Free -= uint64(len(frees))
	p.counters.UnknownFree -= uint64(len(frees))
	if e.ended == nil {
		e.ended = make(map[uint32][]unknownFree)
	}
	for tid, frees := range e.ended {
		if ev.Time > frees[0].time+silence {
			delete(e.ended, tid)
		}
	}
	e.ended[ev.TID] = frees
}

// runs says that a thread did something at a time (ns). If it had seemed to have ended, its frees
// are counted after all.
func (e *threadEnds) runs(p *process, tid uint32, time uint64) {
	frees, ok := e.ended[tid]
	if !ok {
		return
	}
	delete(e.ended, tid)
	if time > frees[0].time+silence {
		return // another thread by the same id
	}
	p.counters.Free += uint64(len(frees))
	p.counters.UnknownFree += uint64(len(frees))
	for i := range frees {
		if f := &frees[i]; f.old != nil {
			f.old.add(time, f.chunk)
		}
	}
}
