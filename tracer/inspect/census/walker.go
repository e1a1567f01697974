package census

import (
	"errors"
	"fmt"
	"time"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
)

// Walker takes censuses of one process. It is not safe for concurrent use.
type Walker struct {
	// Most is the most blocks of a census, by default 128 Mi, which take 1.1 GiB at most.
	Most int
	// Sample: of a heap with more blocks only some are in the census. One of 1<<Shift is, at least, and
	// what is needed once is for all later censuses.
	Sample bool
	Shift  uint

	pid     int
	mem     *procmem.Memory
	heap    *ptmalloc.Heap
	checker *ptmalloc.Checker
	// others are allocators beside glibc's.
	others []target.Family

	// copied is read in place of the process, unless it is nil.
	copied *procmem.Copy

	// listed is how many pieces of memory are read at most for the lists of free chunks.
	listed int
	states []procmem.State
	// mapped are where the last census found mapped blocks.
	mapped []uint64
	trail  trail // for Now
	// near, far, wide and query are for Now. noQuery: the kernel does not answer.
	near, far, wide *window
	// caches is for Now as well.
	caches  *cachedChunks
	query   *procmaps.Query
	noQuery bool
	// fast and cached are the chunks in fastbins and in threads' caches at listsAt, since the census
	// listsOf, and listsUses how often they were asked for since.
	fast, cached []ptmalloc.Linked
	listsOf      *Census
	// unlisted: there are more in fastbins.
	unlisted  bool
	listsUses int
	listsAt   time.Time
	// fars is how many of the farthest walks Now took.
	fars int
	// together: what was read stays read, kept is the walk over the heap where the last address was, and
	// answer what it has found there.
	together bool
	kept     walk
	answer   Block
}

const defaultMost = 128 << 20

// Open opens a process. The process's own user needs no root. If there is no malloc that can be
// read, the error wraps those of package ptmalloc (ErrNotGlibc and others).
func Open(pid int) (*Walker, error) {
	t, err := target.Look(pid)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	w := &Walker{pid: pid, listed: mostListed}
	for _, o := range t.Objects {
		if o.Family != target.Glibc {
			w.others = append(w.others, o.Family)
		}
	}
	if w.heap, err = ptmalloc.Open(t); err != nil {
		return nil, err
	}
	w.checker = ptmalloc.NewChecker(w.heap)
	if w.mem, err = procmem.Open(pid); err != nil {
		return nil, errors.Join(err, w.heap.Close())
	}
	if err := w.usesGlibc(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Use has a copy read in place of the process, or the process itself if it is nil. Now is only for
// censuses of the process.
func (w *Walker) Use(c *procmem.Copy) {
	w.copied = c
	w.mem.Use(c)
	w.heap.Use(c)
}

// usesGlibc returns an error if the process has another allocator and nothing from glibc's.
func (w *Walker) usesGlibc() error {
	if len(w.others) == 0 {
		return nil
	}
	s, err := w.checker.Survey()
	if err == nil && len(s.Arenas) == 0 && s.Mapped.Chunks == 0 {
		err = fmt.Errorf("process %d: %w: it has %v", w.pid, ptmalloc.ErrNotGlibc, w.others)
	}
	return err
}

// Close releases what Open acquired.
func (w *Walker) Close() error {
	err := errors.Join(w.heap.Close(), w.mem.Close())
	if w.query != nil {
		err = errors.Join(err, w.query.Close())
	}
	return err
}

// Read fills buf with the memory at addr. It returns how much of it, from the beginning, is there.
func (w *Walker) Read(addr uint64, buf []byte) int {
	if addr+uint64(len(buf)) < addr || len(buf) == 0 {
		return 0
	}
	first := addr &^ (pageSize - 1)
	n := int((addr - first + uint64(len(buf)) + pageSize - 1) / pageSize)
	if cap(w.states) < n {
		w.states = make([]procmem.State, n)
	}
	states := w.states[:n]
	w.mem.States(first, states)
	there := 0
	for there < n && states[there] == procmem.Resident {
		there++
	}
	if there == 0 {
		return 0
	}
	return w.mem.ReadAt(buf[:min(uint64(len(buf)), uint64(there)*pageSize-(addr-first))], addr)
}
