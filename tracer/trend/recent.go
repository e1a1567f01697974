package trend

import "time"

const (
	// bucketsPerWindow is how finely the window of a Clock is divided.
	bucketsPerWindow = 8
	// recentBuckets is how many buckets a Recent keeps. One more than the window has, because
	// the window may begin and end inside a bucket, and one more for events slightly out of
	// order.
	recentBuckets = bucketsPerWindow + 2
)

// Clock divides time into buckets of an eighth of a window. All Recents of an aggregator share
// one Clock.
type Clock struct {
	window, width uint64
	// start and bucket are those of the bucket asked for last, since most questions are about
	// the same one again.
	start, bucket uint64
}

// NewClock returns a Clock for counts over window, which must be positive.
func NewClock(window time.Duration) Clock {
	return Clock{window: uint64(window), width: max(uint64(window)/bucketsPerWindow, 1)}
}

// Bucket returns the number of the bucket that time (ns) is in.
func (c *Clock) Bucket(time uint64) uint64 {
	if time-c.start >= c.width {
		c.bucket = time / c.width
		c.start = c.bucket * c.width
	}
	return c.bucket
}

// Boundary returns the first bucket that holds allocations younger than age at now, and the
// time (ns) at which it begins. Everything before it is at least age old. What counts as
// younger may be up to an eighth of the window older than age. An age beyond the window is
// taken as the window.
func (c *Clock) Boundary(now uint64, age time.Duration) (bucket, start uint64) {
	back := min(uint64(max(age, 0)), c.window)
	if back > now {
		return 0, 0
	}
	bucket = (now - back) / c.width
	return bucket, bucket * c.width
}

// Recent counts the allocations of the last window by bucket. The zero Recent is empty.
type Recent struct {
	newest uint64
	counts [recentBuckets]uint32
}

// Add counts an allocation in bucket.
func (r *Recent) Add(bucket uint64) {
	if bucket > r.newest {
		r.turn(bucket)
	}
	if r.newest-bucket < recentBuckets {
		r.counts[bucket%recentBuckets]++
	}
}

// Take undoes one Add in bucket, if the bucket is still kept.
func (r *Recent) Take(bucket uint64) {
	if bucket > r.newest || r.newest-bucket >= recentBuckets {
		return
	}
	if n := &r.counts[bucket%recentBuckets]; *n > 0 {
		*n--
	}
}

// Since returns how many allocations were counted in bucket and after it.
func (r *Recent) Since(bucket uint64) uint64 {
	var sum uint64
	for back := range uint64(recentBuckets) {
		if back > r.newest || r.newest-back < bucket {
			break
		}
		sum += uint64(r.counts[(r.newest-back)%recentBuckets])
	}
	return sum
}

// Newest returns the newest bucket that something was added to.
func (r *Recent) Newest() uint64 { return r.newest }

// Merge adds what another Recent has counted.
func (r *Recent) Merge(o *Recent) {
	if o.newest > r.newest {
		r.turn(o.newest)
	}
	for back := range uint64(recentBuckets) {
		bucket := o.newest - back
		if back > o.newest || r.newest-bucket >= recentBuckets {
			break
		}
		r.counts[bucket%recentBuckets] += o.counts[bucket%recentBuckets]
	}
}

// turn makes bucket the newest, and clears those that were passed.
func (r *Recent) turn(bucket uint64) {
	if bucket-r.newest >= recentBuckets {
		clear(r.counts[:])
	} else {
		for b := r.newest + 1; b <= bucket; b++ {
			r.counts[b%recentBuckets] = 0
		}
	}
	r.newest = bucket
}
