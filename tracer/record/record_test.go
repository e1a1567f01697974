package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memtrace/tracer/report"
)

var began = time.Date(2026, 11, 29, 22, 0, 0, 0, time.UTC)

// synthetic is what a trace says after so many seconds: of n stacks every third grows, some come,
// and some go.
func synthetic(n, second int) *report.Report {
	r := &report.Report{
		Schema: report.Schema, Mode: report.ModeWindows, Sampling: &report.Sampling{Windows: second}, TracedFraction: 1, Complete: true,
		Start: began, End: began.Add(time.Duration(second) * time.Second), DurationSeconds: float64(second),
		Target: report.Target{
			PID: 4711, Command: "server", Exe: "/opt/server", Allocator: "glibc",
			Modules: []report.Module{{Path: "/opt/server", BuildID: "abcdef", Start: 0x400000, End: 0x500000}},
		},
		Notes:     []string{fmt.Sprintf("second %d", second)},
		Diagnosis: &report.Diagnosis{Answer: "server (pid 4711) leaks", Findings: []report.Finding{}, Accounts: []report.Account{}},
	}
	for i := range n {
		if i%10 == 7 && (second/20+i)%3 == 0 {
			continue
		}
		s := report.Stack{
			ID: fmt.Sprintf("%016x", i*7919), Kind: report.Heap, Bytes: uint64(1000 + i), Blocks: 3,
			AllocatedBytes: uint64(5000 + i), AllocatedBlocks: 9, FreedBlocks: 6, Survival: 0.3333,
			OldestSeconds: float64(second), YoungestSeconds: float64(second) / 2, FollowedSeconds: float64(second),
			Served: &report.Served{Brk: report.Share{Sum: report.Sum{Bytes: 10, Blocks: 3}}},
			Class:  report.ClassFilled, OwnFrame: 1,
		}
		if i%3 == 0 {
			s.Bytes += uint64(second * 100)
			s.Blocks += uint64(second)
			s.GrowthBytesPerSecond, s.Class = 100, report.ClassLeak
			s.Like = []report.Like{{ID: "x", Bytes: s.Bytes}}
		}
		if i%5 == 0 {
			s.Estimate = &report.Estimate{Class: "leak", Survival: 0.25}
		}
		for f := range 8 {
			s.Frames = append(s.Frames, report.Frame{
				Address: uint64(0x400000 + f*i), Function: fmt.Sprintf("f%d_%d", f, i%(10*f+1)),
				Module: "/opt/server", Offset: uint64(f * i), File: "server.c", Line: f + 1, Library: f == 0,
			})
		}
		r.Stacks = append(r.Stacks, s)
	}
	r.StacksTotal = len(r.Stacks)
	return r
}

// create starts a record in a directory of its own.
func create(t testing.TB, bound uint64) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record")
	w, err := Create(path, bound, "test")
	if err != nil {
		t.Fatal(err)
	}
	return w, path
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// same compares a report that was read with the one that was recorded.
func same(t *testing.T, got, want *report.Report, exact bool) {
	t.Helper()
	for _, r := range []*report.Report{got, want} {
		slices.SortFunc(r.Stacks, func(a, b report.Stack) int { return strings.Compare(a.ID, b.ID) })
	}
	off := 0.0
	if !exact {
		off = drift
	}
	options := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(report.Report{}, "Name"), cmpopts.EquateApprox(off, 1e-8)}
	if !exact {
		options = append(options, cmpopts.IgnoreFields(report.Like{}, "Bytes")) // a detail
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Fatalf("read (-want +got):\n%s", diff)
	}
}

// Every snapshot is read as it was recorded, in any order.
func TestReadsWhatWasRecorded(t *testing.T) {
	w, path := create(t, 64<<20)
	const snapshots, stacks = 150, 20
	for i := range snapshots {
		if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{synthetic(stacks, i)}, i == snapshots-1); err != nil {
			t.Fatal(err)
		}
		if i == 40 {
			if err := w.Mark(began.Add(40*time.Second), "noon"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if r.Len() != snapshots || !r.Ended() || len(r.Marks()) != 1 || r.Marks()[0].Name != "noon" {
		t.Fatalf("%d snapshots, ended %v, marks %v", r.Len(), r.Ended(), r.Marks())
	}
	for _, i := range []int{149, 0, 63, 64, 65, 66, 128, 131, 7} {
		got, err := r.At(i)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got[0], synthetic(stacks, i), i == snapshots-1)
	}
	// At a key, details are as exact as at the end.
	for i, off := range map[int]uint64{64: 6400, 65: 0, 66: 100} {
		got, err := r.At(i)
		if err != nil {
			t.Fatal(err)
		}
		s := &got[0].Stacks[slices.IndexFunc(got[0].Stacks, func(s report.Stack) bool { return len(s.Like) > 0 })]
		if s.Like[0].Bytes+off != s.Bytes {
			t.Errorf("snapshot %d: a detail says %d of %d", i, s.Like[0].Bytes, s.Bytes)
		}
	}
	seen := 0
	if err := r.Each(10, 90, func(i int, got []*report.Report) error {
		same(t, got[0], synthetic(stacks, i), false)
		seen++
		return nil
	}); err != nil || seen != 81 {
		t.Fatalf("%d snapshots, %v", seen, err)
	}
	if i := r.Before(began.Add(30*time.Second + time.Millisecond)); i != 30 {
		t.Errorf("snapshot %d is the one at 30 s", i)
	}
}

// A record that is cut off at any byte is read up to its last whole snapshot.
func TestCutAnywhere(t *testing.T) {
	w, path := create(t, 64<<20)
	var ends []int64
	for i := range 8 {
		if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{synthetic(5, i)}, false); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, w.Size())
	}
	if err := w.Close(false); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		want := 0
		for _, end := range ends {
			if int64(n) >= end {
				want++
			}
		}
		for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
			cut := append(slices.Clone(whole[:n]), tail...)
			r, err := NewReader(bytes.NewReader(cut), int64(len(cut)))
			if want == 0 {
				if err == nil {
					t.Fatalf("a record cut at %d of %d is read", n, ends[0])
				}
				continue
			}
			if err != nil || r.Len() != want || r.Ended() {
				t.Fatalf("cut at %d: %v, want %d snapshots", n, err, want)
			}
			if n == int(ends[want-1]) {
				got, err := r.At(want - 1)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got[0], synthetic(5, want-1), false)
			}
		}
	}
}

// What is no record, or of a later version, is said to be that.
func TestForeign(t *testing.T) {
	for _, text := range []string{"", "x", "{}", "memtrace recore\n", strings.Repeat("\x00", 100)} {
		if _, err := NewReader(strings.NewReader(text), int64(len(text))); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %v", text, err)
		}
	}
	newer := head()
	newer[16]++
	if _, err := NewReader(bytes.NewReader(newer), headSize); !errors.Is(err, errDamaged) {
		t.Errorf("a head with a wrong checksum: %v", err)
	}
	newer = resum(newer)
	var newerErr *NewerError
	if _, err := NewReader(bytes.NewReader(newer), headSize); !errors.As(err, &newerErr) || newerErr.Version != Version+1 {
		t.Errorf("a newer head: %v", err)
	}
}

// resum puts the checksum of a head right.
func resum(h []byte) []byte {
	binary.LittleEndian.PutUint32(h[20:], crc32.Checksum(h[:20], castagnoli))
	return h
}

// A reader takes the columns that it knows, wherever they are, and leaves the others.
func TestOtherColumns(t *testing.T) {
	type inner struct {
		N uint64 `json:"n"`
	}
	type newer struct {
		New  []int   `json:"new"`
		X    uint64  `json:"x"`
		In   *inner  `json:"in"`
		Kept float64 `json:"kept"`
		Was  string  `json:"changed"`
	}
	type older struct {
		Kept float64 `json:"kept"`
		Gone bool    `json:"gone"`
		X    uint64  `json:"x"`
		In   *inner  `json:"in"`
		Is   uint64  `json:"changed"`
	}
	from, to := planOf(reflect.TypeFor[newer]()), planOf(reflect.TypeFor[older]())
	var r row
	from.pack(reflect.ValueOf(newer{[]int{1}, 7, &inner{9}, 0.5, "x"}), &r, 0, newDefiner(), nil)
	var got older
	to.unpack(reflect.ValueOf(&got).Elem(), &r, to.places(from.columns), 0, newDefinitions())
	if want := (older{Kept: 0.5, X: 7, In: &inner{9}}); !cmp.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Two stacks of one report that have the same id stay two.
func TestSameID(t *testing.T) {
	w, path := create(t, LeastSize)
	for i := range 3 {
		r := synthetic(2, i)
		r.Stacks[1].ID, r.Stacks[1].Bytes = r.Stacks[0].ID, uint64(7+i)
		if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{r}, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).At(2)
	if err != nil || len(got[0].Stacks) != 2 || got[0].Stacks[0].Bytes != 1200 || got[0].Stacks[1].Bytes != 9 {
		t.Errorf("%v, %+v", err, got[0].Stacks)
	}
}

// After thinning, too, every snapshot has what is heavy, wherever the keys were and are.
func TestHeavyAfterThinning(t *testing.T) {
	for _, thinned := range []int{keyEvery + 2, keyEvery + 20} { // up to a snapshot that becomes a key, and beyond
		w, path := create(t, LeastSize)
		for i := range thinned + 80 {
			r := synthetic(1, i)
			r.Timeline = &report.Timeline{Seconds: []float64{float64(i)}}
			if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{r}, false); err != nil {
				t.Fatal(err)
			}
			switch i {
			case 0:
				w.encoder.toKey = 3
			case thinned - 1:
				w.beginThinning()
				w.finishThinning(true)
			}
		}
		if err := w.Close(true); err != nil || w.notThinned != nil {
			t.Fatal(err, w.notThinned)
		}
		r := open(t, path)
		if err := r.Each(0, r.Len()-1, func(i int, got []*report.Report) error {
			if one := got[0]; one.Timeline == nil || len(one.Timeline.Seconds) != 1 || one.Timeline.Seconds[0] > one.DurationSeconds {
				t.Errorf("snapshot %d of %d, after %v s, has the timeline %+v", i, r.Len(), one.DurationSeconds, one.Timeline)
			}
			return nil
		}); err != nil || r.Len() != thinned+80 {
			t.Errorf("%d snapshots, %v", r.Len(), err)
		}
	}
}

// What is heavy is in keys and exact snapshots, and else that of the key before.
func TestHeavy(t *testing.T) {
	defer func(before []int) { heavy = before }(heavy)
	heavy = fieldsNamed("notes")
	w, path := create(t, LeastSize)
	for i := range 5 {
		if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{synthetic(1, i)}, i == 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	for i, second := range []int{0, 0, 0, 3, 0} {
		got, err := open(t, path).At(i)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("second %d", second); len(got[0].Notes) != 1 || got[0].Notes[0] != want {
			t.Errorf("snapshot %d has %q, want %q", i, got[0].Notes, want)
		}
	}
}
