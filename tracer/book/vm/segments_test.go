package vm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
)

func shmat(t, page, size uint64, s event.StackID) event.Event {
	return ev(event.Shmat, t, page, size, s)
}

func shmdt(t, page uint64) event.Event { return ev(event.Shmdt, t, page, 0, 0) }

// Segments end by shmdt, munmap and exec, in every kind of ledger. All counts are pages.
func TestSegments(t *testing.T) {
	for name, tc := range map[string]struct {
		steps []event.Event
		want  held
	}{
		"detached": {
			[]event.Event{shmat(1, 0, 4, stackA), shmat(2, 8, 4, stackB), shmdt(3, 0)}, held{stackB: {Bytes: 4, Blocks: 1}},
		},
		"gone before it was looked at": {[]event.Event{shmat(1, 0, 0, stackA), shmdt(2, 0)}, held{}},
		"detached nowhere":             {[]event.Event{shmat(1, 0, 4, stackA), shmdt(2, 1)}, held{stackA: {Bytes: 4, Blocks: 1}}},
		"unmapped in the middle": {
			[]event.Event{shmat(1, 0, 4, stackA), munmap(2, 1, 2)}, held{stackA: {Bytes: 2, Blocks: 2}},
		},
		"detached where the first page is unmapped, and another has been mapped since": {
			[]event.Event{shmat(1, 0, 4, stackA), munmap(2, 0, 1), grown(3, 2, 1, stackB), shmdt(4, 0)}, held{stackB: {Bytes: 1, Blocks: 1}},
		},
		"all unmapped, and the place taken by another": {
			[]event.Event{shmat(1, 0, 4, stackA), munmap(2, 0, 4), shmat(3, 0, 2, stackB), shmdt(4, 0)}, held{},
		},
		"replaced by another (SHM_REMAP)": {
			[]event.Event{shmat(1, 0, 4, stackA), shmat(2, 0, 2, stackB), shmdt(3, 0)}, held{stackA: {Bytes: 2, Blocks: 1}},
		},
		"moved": {
			[]event.Event{shmat(1, 0, 4, stackA), with(0, ev(event.MremapEnter, 2, 0, 4, 0)), mremapBy(3, 0, 20, 4, stackB), shmdt(4, 20)}, held{},
		},
		"a failed call, of other memory": {[]event.Event{grown(1, 0, 4, stackA), shmdt(2, 0)}, held{stackA: {Bytes: 4, Blocks: 1}}},
		"ended by exec":                  {[]event.Event{shmat(1, 0, 4, stackA), ev(event.Exec, 2, 0, 0, 0), shmdt(3, 0)}, held{}},
	} {
		for kind, l := range map[string]*Ledger{"mappings": NewLedger(), "growth": NewGrowthLedger()} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				for i := range tc.steps {
					l.Apply(&tc.steps[i])
				}
				if diff := cmp.Diff(tc.want, pagesHeld(l)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A shmdt that spilled reaches the ledger before or after its shmat.
func TestLateShmdt(t *testing.T) {
	for name, early := range map[string]bool{"before its shmat": true, "after it": false} {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			on, off, again := shmat(1, 0, 4, stackA), shmdt(2, 0), shmat(3, 0, 2, stackB)
			if early {
				l.ApplyLateUnmap(&off)
			}
			l.Apply(&on)
			if !early {
				l.ApplyLateUnmap(&off)
			}
			l.Apply(&again)
			l.CaughtUp(4)
			if diff := cmp.Diff(held{stackB: {Bytes: 2, Blocks: 1}}, pagesHeld(l)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := l.Counters(pid); got.Shmat != 2 || got.Shmdt != 1 {
				t.Errorf("counters %+v", got)
			}
		})
	}
}

// Mappings of segments that munmap has removed are not remembered for ever.
func TestSegmentsAreForgotten(t *testing.T) {
	l := NewLedger()
	for i := range uint64(4 * fewSegments) {
		on, off := shmat(2*i, 2*i, 1, stackA), munmap(2*i+1, 2*i, 1)
		l.Apply(&on)
		l.Apply(&off)
	}
	if n := len(l.spaces[pid].segments.attached); n > fewSegments {
		t.Errorf("%d are remembered", n)
	}
	if got := l.Live(); got != (live.Sum{}) {
		t.Errorf("%+v are outstanding", got)
	}
}
