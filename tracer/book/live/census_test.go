package live

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/trend"
)

const ms = uint64(time.Millisecond)

// survey counts six allocations by one stack, 100 ms apart from 1 s on, of which every second
// one is still outstanding.
func survey(opt Options) Snapshot {
	clock := trend.NewClock(400 * time.Millisecond)
	var a Account
	for i := range uint64(6) {
		at := 1000*ms + i*100*ms
		a.Allocate(&clock, at, 10+i)
		if i%2 == 0 {
			a.Grow(at, 10+i)
			a.Blocks++
		}
	}
	c := NewCensus(opt, 1500*ms, &clock)
	var t Tally
	for _, i := range []uint64{0, 2, 4} {
		c.Settle(&t, 1000*ms+i*100*ms)
		c.Count(&t, 0x1000*i, 10+i, 1000*ms+i*100*ms)
	}
	c.Report(Key{7, 1}, &a, 3, 900*ms, &t)
	// Other stacks, to be sorted, left out or both.
	c.Report(Key{9, 1}, &Account{}, 0, 0, &Tally{})
	c.Report(Key{8, 2}, &Account{}, 0, 0, &Tally{})
	c.Report(Key{8, 1}, &Account{}, 0, 0, &Tally{})
	return c.Snapshot(true)
}

func TestCensus(t *testing.T) {
	age := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	stack := Stack{
		ID: 7, PID: 1, Sum: Sum{36, 3}, AllocatedBytes: 75, AllocatedBlocks: 6, FreedBlocks: 3,
		Survival: 0.5, Oldest: age(500), Youngest: age(100),
	}
	older := stack
	older.Sum, older.Young, older.Youngest = Sum{22, 2}, 14, age(300)
	older.Survival = 2.0 / 3
	older.BlockList = []Block{{0x2000, 12, age(300)}}
	since := older
	since.Since = Sum{12, 1}
	tests := map[string]struct {
		opt  Options
		want Snapshot
	}{
		"what counts": {
			opt:  Options{},
			want: Snapshot{Now: 1500 * ms, Stacks: []Stack{stack}, Outstanding: Sum{36, 3}, Exited: true},
		},
		"what is old enough, and the largest of it": {
			opt: Options{Older: age(250), Blocks: true, MaxBlocks: 1},
			want: Snapshot{
				Now: 1500 * ms, Stacks: []Stack{older}, Outstanding: Sum{22, 2}, Young: Sum{14, 1}, Exited: true,
			},
		},
		"what is old enough, and new since a time": {
			opt:  Options{Older: age(250), Blocks: true, MaxBlocks: 1, Since: 1200 * ms},
			want: Snapshot{Now: 1500 * ms, Stacks: []Stack{since}, Outstanding: Sum{22, 2}, Young: Sum{14, 1}, Exited: true},
		},
		"stacks of one process that hold nothing": {
			opt: Options{PID: 1, All: true},
			want: Snapshot{
				Now: 1500 * ms, Stacks: []Stack{stack, {ID: 8, PID: 1}, {ID: 9, PID: 1}},
				Outstanding: Sum{36, 3}, Exited: true,
			},
		},
		"stacks of all": {
			opt: Options{All: true, Now: 1},
			want: Snapshot{
				Now:         1500 * ms,
				Stacks:      []Stack{stack, {ID: 8, PID: 1}, {ID: 8, PID: 2}, {ID: 9, PID: 1}},
				Outstanding: Sum{36, 3}, Exited: true,
			},
		},
	}
	growth := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".GrowthBytesPerSecond" || p.Last().String() == ".Followed"
	}, cmp.Ignore())
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, survey(tt.opt), growth); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSurvivalForgetsTheDropped(t *testing.T) {
	clock := trend.NewClock(400 * time.Millisecond)
	var a Account
	for i := range uint64(4) {
		a.Allocate(&clock, i*ms, 1)
	}
	a.Blocks = 1
	a.Drop(&clock, 0)
	a.Drop(&clock, 1*ms)
	if got := a.survival(^uint64(0), 1); got != 0.5 {
		t.Errorf("survival %v, want 1 of 2", got)
	}
}
