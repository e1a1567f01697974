package vm

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memtrace/tracer/book/live"
	"memtrace/tracer/event"
	"memtrace/tracer/testsupport/testprog"
)

// pair feeds a Ledger and its model the same events.
type pair struct {
	ledger *Ledger
	model  *model
	now    uint64
	// entered is what the thread's last munmap or mremap was given.
	entered map[thread]uint64
}

func newPair() *pair {
	return &pair{NewLedger(), newModel(), 1000, map[thread]uint64{}}
}

// step interprets four bytes as something that happens to two processes with two threads each.
func (p *pair) step(op, who, where, size byte) {
	ev := event.Event{
		PID: 1 + uint32(who&1), TID: 10 + uint32(who>>1&1), Time: p.now + uint64(who>>2&7),
		Addr: uint64(where) % 20 * pageSize, Size: uint64(size&0x7f) * 256,
		Stack: event.StackID(who >> 5 & 3),
	}
	p.now = ev.Time
	if size&0x80 != 0 {
		ev.Flags = event.InAllocator
	}
	kinds := []event.Kind{
		event.Mmap, event.Mmap, event.Mmap, event.Mmap, event.Munmap, event.Munmap,
		event.Munmap, event.MunmapFail, event.MunmapFail, event.MremapEnter,
		event.MremapEnter, event.Mremap, event.Mremap, event.MremapFail,
	}
	th := thread{ev.PID, ev.TID}
	switch op %= 20; {
	case int(op) < len(kinds):
		ev.Kind = kinds[op]
	case op == 14 && size&7 == 7:
		p.ledger.Gap(ev.PID, p.now-uint64(where))
		p.model.lost(ev.PID, p.now-uint64(where))
		return
	case op == 15 && size&7 == 7:
		p.giveUp()
		return
	case op == 19:
		p.ledger.CaughtUp(p.now - uint64(where&15))
		p.model.caughtUp(p.now - uint64(where&15))
		return
	case op >= 16:
		// A late unmap, of any time near now.
		ev.Time = p.now + uint64(where>>4) - 8
		ev.Kind, ev.Flags = event.Munmap, 0
		if size&0x80 != 0 {
			ev.Kind, ev.Arg = event.MremapEnter, uint64(who>>5&4)
		}
		p.ledger.ApplyLateUnmap(&ev)
		p.model.lateUnmap(&ev)
		p.entered[th] = ev.Addr
		return
	default:
		ev.Kind = []event.Kind{event.Brk, event.Mprotect}[op&1]
		if where < 24 {
			ev.Kind = []event.Kind{event.Exec, event.Exit}[op&1]
		}
	}
	switch ev.Kind {
	case event.Mmap:
		ev.Arg = uint64(where>>6&1) * (mapAnonymous ^ mapDenyWrite) << 32
		ev.Arg ^= mapAnonymous << 32 // or a dynamic loader's
	case event.Munmap:
		p.entered[th] = ev.Addr
	case event.MremapEnter:
		ev.Arg = uint64(where >> 5 & 4)
		p.entered[th] = ev.Addr
	case event.Mremap:
		ev.Arg = uint64(who>>3) % 24 * pageSize
		if where&0xc0 != 0 {
			ev.Arg = p.entered[th]
		}
	case event.MunmapFail, event.MremapFail:
		if where&0xc0 != 0 {
			ev.Addr = p.entered[th]
		}
	}
	p.ledger.Apply(&ev)
	p.model.apply(&ev)
}

// giveUp makes the model merge the stacks that the ledger has given up.
func (p *pair) giveUp() {
	known := maps.Clone(p.ledger.byKey)
	p.ledger.GiveUp()
	for key := range known {
		if _, ok := p.ledger.byKey[key]; !ok {
			p.model.giveUp(key)
		}
	}
}

func (p *pair) compare(t *testing.T) {
	t.Helper()
	for _, older := range []time.Duration{0, 20} {
		got := p.ledger.Snapshot(live.Options{Older: older, Blocks: true, All: true})
		ignore := []string{"GrowthBytesPerSecond", "Followed"}
		if older != 0 {
			ignore = append(ignore, "Survival")
		}
		if diff := cmp.Diff(p.model.snapshot(older), got, cmpopts.IgnoreFields(live.Stack{}, ignore...)); diff != "" {
			t.Fatalf("older %v (-want +got):\n%s", older, diff)
		}
		if sum := got.Outstanding.Plus(got.Young); p.ledger.Live() != sum {
			t.Fatalf("live %v, want %v", p.ledger.Live(), sum)
		}
		for _, st := range got.Stacks {
			if !(st.Survival >= 0 && st.Survival <= 1) {
				t.Fatalf("survival %v", st.Survival)
			}
		}
	}
}

func FuzzLedger(f *testing.F) {
	f.Add([]byte("mappings and their ends, whatever the letters say"))
	f.Add([]byte{0, 0, 1, 96, 4, 2, 3, 16, 7, 2, 0, 0, 9, 0, 1, 96, 11, 0, 20, 112})
	f.Add([]byte{0, 0, 1, 96, 0, 4, 3, 16, 9, 0, 130, 96, 13, 0, 0, 0, 14, 0, 2, 7, 15, 0, 0, 0})
	f.Add([]byte{16, 0, 0x81, 96, 0, 0, 1, 96, 7, 0, 64, 0, 0, 4, 2, 96, 17, 0, 0x82, 0xa0, 11, 0, 64, 96})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPair()
		for i := 0; i+4 <= len(data) && i < 4*500; i += 4 {
			p.step(data[i], data[i+1], data[i+2], data[i+3])
			if i%12 == 0 {
				p.compare(t)
			}
		}
		p.compare(t)
	})
}

// TestRandomEvents finds in every run what the fuzzer would find in its first minutes.
func TestRandomEvents(t *testing.T) {
	testprog.Long(t)
	r := rand.New(rand.NewPCG(7, 8))
	for range 211 {
		p := newPair()
		for i := range 307 {
			x := r.Uint32()
			p.step(byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
			if i%7 == 0 {
				p.compare(t)
			}
		}
		p.compare(t)
	}
}
