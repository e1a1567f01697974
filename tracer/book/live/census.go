package live

import (
	"cmp"
	"math"
	"slices"
	"time"

	"memtrace/tracer/event"
	"memtrace/tracer/trend"
)

// Census makes a Snapshot. Count takes every outstanding block and tallies it by stack; Report
// takes every stack with its tally.
type Census struct {
	opt   Options
	older uint64
	// Survival concerns the allocations before bucket, which begins at the time boundary (ns).
	bucket, boundary uint64
	// old is the chunk sizes of Replace, by bytes.
	old  map[uint64]*oldChunks
	snap Snapshot
}

// Tally is what a Census counts of one stack. The zero Tally is empty.
type Tally struct {
	sum Sum
	// since is those of sum that Options.Since asks for.
	since Sum
	// oldest and youngest are times of allocation, ns.
	oldest, youngest uint64
	// settled counts the allocations, of any age, before the boundary.
	settled uint64
	served  Served
	list    *largest // nil while it would be empty
	// ofOld counts the blocks of old chunk sizes, nil while there are none.
	ofOld map[*oldChunks]uint64
}

// NewCensus begins a census of a ledger whose latest event was at latest (ns) and whose
// accounts use clock.
func NewCensus(opt Options, latest uint64, clock *trend.Clock) *Census {
	opt.Now = max(opt.Now, latest)
	c := &Census{opt: opt, older: uint64(max(opt.Older, 0)), bucket: math.MaxUint64, boundary: math.MaxUint64}
	c.snap.Now = opt.Now
	if opt.Older > 0 {
		c.bucket, c.boundary = clock.Boundary(opt.Now, opt.Older)
	}
	return c
}

// Wants reports whether process pid is asked for.
func (c *Census) Wants(pid uint32) bool { return c.opt.PID == 0 || c.opt.PID == pid }

// Old reports whether a block allocated at time (ns) is old enough to count.
func (c *Census) Old(time uint64) bool { return c.opt.Now-time >= c.older }

// Settle counts an allocation, made at time (ns), that is at least partly outstanding. Call it
// once per allocation, but Count once per block.
func (c *Census) Settle(t *Tally, time uint64) {
	if time < c.boundary {
		t.settled++
	}
}

// Count counts an outstanding block, allocated at time (ns), of a process that the census
// wants.
func (c *Census) Count(t *Tally, addr, size, time uint64) {
	if !c.Old(time) {
		c.snap.Young.Add(size)
		return
	}
	c.snap.Outstanding.Add(size)
	if t.sum.Blocks == 0 {
		t.oldest, t.youngest = time, time
	}
	t.sum.Add(size)
	if c.opt.Since != 0 && time >= c.opt.Since {
		t.since.Add(size)
	}
	t.oldest = min(t.oldest, time)
	t.youngest = max(t.youngest, time)
	if c.opt.Blocks {
		if t.list == nil {
			t.list = new(largest)
		}
		t.list.add(Block{Address: addr, Bytes: size, Age: c.age(time)}, c.opt.MaxBlocks)
	}
}

// Serve counts, by the way in which it was served, a block that was passed to Count. chunk is
// what is known of its chunk. Without Options.Way, Serve does nothing.
func (c *Census) Serve(t *Tally, addr, size, time uint64, chunk event.Flags) {
	if c.opt.Way == nil || !c.Old(time) {
		return
	}
	way, taken := c.opt.Way(addr, size, chunk)
	for _, share := range []*Share{&t.served[way], &c.snap.Served[way]} {
		share.Add(size)
		share.Taken += taken
	}
	if size := c.old[taken]; size != nil {
		size.outstanding++
		t.countOld(size)
	}
}

// Report puts a stack into the snapshot, if it is wanted there: its account, how many of its
// allocations were freed, and its tally. start (ns) is when its process was first seen. It returns
// the stack until the next Report, nil if it is not in the snapshot.
func (c *Census) Report(key Key, a *Account, freed, start uint64, t *Tally) *Stack {
	if !c.Wants(key.PID) {
		return nil
	}
	listed := t.sum.Blocks > 0 || c.opt.All
	if !listed && a.Bytes == 0 {
		return nil
	}
	growth := a.growth.Slope(start, c.opt.Now, a.Bytes)
	// A buffer that grows by realloc is ever a young block.
	if !listed && growth <= 0 {
		return nil
	}
	c.snap.Stacks = append(c.snap.Stacks, c.stack(key, a, freed, growth, t))
	return &c.snap.Stacks[len(c.snap.Stacks)-1]
}

// Past returns a stack that is not in the snapshot.
func (c *Census) Past(key Key, a *Account, freed uint64) Stack {
	return c.stack(key, a, freed, 0, new(Tally))
}

func (c *Census) stack(key Key, a *Account, freed uint64, growth float64, t *Tally) Stack {
	st := Stack{
		ID:                   key.ID,
		PID:                  key.PID,
		Sum:                  t.sum,
		Since:                t.since,
		Young:                a.Bytes - min(t.sum.Bytes, a.Bytes),
		AllocatedBytes:       a.AllocatedBytes,
		AllocatedBlocks:      a.AllocatedBlocks,
		FreedBlocks:          freed,
		GrowthBytesPerSecond: growth,
		Followed:             time.Duration(a.growth.Span(c.opt.Now)),
		Survival:             a.survival(c.bucket, t.settled),
		Served:               t.served,
		BlockList:            t.list.cut(c.opt.MaxBlocks),
	}
	st.ReplacedBytes, st.ReplacedBlocks = t.replaced()
	if t.sum.Blocks > 0 {
		st.Oldest, st.Youngest = c.age(t.oldest), c.age(t.youngest)
	}
	return st
}

// Snapshot ends the census. exited says whether all processes that it wants have exited.
func (c *Census) Snapshot(exited bool) Snapshot {
	c.snap.Exited = exited
	slices.SortFunc(c.snap.Stacks, func(a, b Stack) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID), cmp.Compare(a.PID, b.PID))
	})
	return c.snap
}

func (c *Census) age(then uint64) time.Duration { return time.Duration(c.opt.Now - then) }
