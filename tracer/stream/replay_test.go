package stream

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"memtrace/symbolize"
	"memtrace/tracer/book"
	"memtrace/tracer/diagnose"
	"memtrace/tracer/event"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/process/target"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/recording"
)

var update = flag.Bool("update", false, "rewrite the reports of the recorded trace")

// bookSink is a book with nothing around it.
type bookSink struct{ *book.Book }

func (s bookSink) Count(total event.Counters) { s.Book.Count(total) }
func (s bookSink) Between(bool) error         { return nil }

// addresses are the symbols of a program of which nothing is known.
type addresses struct{}

func (addresses) FileIn(_, _ uint64) (string, uint64) { return "", 0 }
func (addresses) Defines(string, ...string) string    { return "" }

func (addresses) Called(_, _ uint64) (called, known bool) { return false, false }

func (addresses) ResolveIn(_, addr uint64) []symbolize.Frame {
	return []symbolize.Frame{{Address: addr, Function: fmt.Sprintf("at_%x", addr)}}
}
func (addresses) Mappings() []symbolize.Mapping { return nil }
func (addresses) Unanswered() []string          { return nil }
func (addresses) Problems() []string            { return nil }
func (addresses) Bare() bool                    { return false }

// A recorded trace gives the same report, to the byte, however it is cut into batches. If
// frees spill, only the number of frees of unknown blocks differs.
func TestReplay(t *testing.T) {
	for _, tc := range []struct {
		name   string
		growth bool
		// dry is after how many records the ring runs dry, 0: never. One free in spilled
		// spills, 0: none does.
		dry, spilled int
	}{
		{"exact", false, 0, 0},
		{"exact", false, 997, 0},
		{"spilled", false, 211, 7},
		{"growth", true, 0, 0},
		{"growth", true, 1009, 0},
	} {
		t.Run(fmt.Sprintf("%s/dry after %d", tc.name, tc.dry), func(t *testing.T) {
			recorded, err := recording.Read("testdata/ledger.gob.gz")
			if err != nil {
				t.Fatal(err)
			}
			known := book.New(book.Config{Growth: tc.growth})
			known.Add(recorded.PID)
			replay(t, recorded, known, tc.dry, tc.spilled)
			var got bytes.Buffer
			if err := report.JSON(&got, reportOf(recorded, known, tc.growth)); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "ledger-"+tc.name+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("the report is not that of %s:\n%s", golden, got.Bytes())
			}
		})
	}
}

// replay makes a Reader hand on what was recorded.
func replay(t *testing.T, from *recording.Recording, to *book.Book, dry, spilled int) {
	t.Helper()
	ring := &dryRing{recorded: recorded{records: from.Records}, every: dry}
	r := newTestReader(nil, nil)
	r.ring, r.sink = ring, bookSink{to}
	if spilled > 0 {
		late := ring.takeFrees(t, spilled)
		spilled = 0
		r.counters = func() (event.Counters, error) {
			c := from.Counters
			spilled += countSpilled(late, len(ring.records))
			c.Spilled = uint64(spilled)
			return c, nil
		}
		r.drain = func(apply func(*event.Event)) error {
			n := countSpilled(late, len(ring.records))
			for i := range late[:n] {
				apply(&late[i].ev)
			}
			late = late[n:]
			return nil
		}
	}
	if err := r.Run(func(bool) bool { return len(ring.records) == 0 }); err != nil {
		t.Fatal(err)
	}
	if err := r.Drain(); err != nil {
		t.Fatal(err)
	}
}

// dryRing runs dry after every so many records.
type dryRing struct {
	recorded
	every, n int
}

func (r *dryRing) ReadInto(to *ringbuf.Record) error {
	if r.n++; r.every > 0 && r.n%(r.every+1) == 0 {
		return os.ErrDeadlineExceeded
	}
	return r.recorded.ReadInto(to)
}

// lateFree is a free that spilled when so many records were left behind it.
type lateFree struct {
	ev   event.Event
	left int
}

// takeFrees takes one of every so many frees out of the ring.
func (r *dryRing) takeFrees(t *testing.T, every int) (late []lateFree) {
	t.Helper()
	var kept [][]byte
	frees := 0
	for i, raw := range r.records {
		var ev event.Event
		if err := event.Decode(raw, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Kind == event.Free {
			if frees++; frees%every == 0 {
				late = append(late, lateFree{ev, len(r.records) - i})
				continue
			}
		}
		kept = append(kept, raw)
	}
	for i := range late {
		late[i].left -= len(late) - i // those that spilled later are not in the ring
	}
	r.records = kept
	return late
}

// countSpilled counts the frees that have spilled when so many records are left.
func countSpilled(late []lateFree, left int) (n int) {
	for n < len(late) && left < late[n].left {
		n++
	}
	return n
}

func reportOf(recorded *recording.Recording, known *book.Book, growth bool) *report.Report {
	split := diagnose.NewSplit(&ptmalloc.Status{Brk: ptmalloc.BrkRange{Start: 1, End: recorded.Brk}, Err: ptmalloc.ErrNotFound})
	of := &target.Target{PID: int(recorded.PID), Command: "ledger"}
	facts := &diagnose.Facts{
		Start: time.Unix(0, 0).UTC(), StartMono: recorded.Start,
		Now: time.Unix(0, 0).UTC().Add(time.Duration(recorded.End - recorded.Start)), NowMono: recorded.End,
		Known:  known.Copy(recorded.PID, book.Asked{Start: recorded.Start, Now: recorded.End, Way: split.Way}),
		Growth: growth, Target: of, Symbols: addresses{}, Split: split, Allocators: diagnose.NewAllocators(addresses{}, of, nil),
		ClassAt:  func(uint64) region.Class { return region.Other },
		SpaceErr: errors.New("it was not recorded"), SystemErr: errors.New("it was not recorded"),
	}
	return diagnose.Report(facts, diagnose.Options{})
}
