package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// recordDay records a day, a snapshot every so many seconds, of n stacks. It returns the largest
// that its directory ever was.
func recordDay(t testing.TB, w *Writer, path string, n, every int) (most int64) {
	t.Helper()
	const day = 24 * 3600
	for second := 0; second <= day; second += every {
		r := []*report.Report{synthetic(n, second)}
		if err := w.Snapshot(began.Add(time.Duration(second)*time.Second), r, second == day); err != nil {
			t.Fatal(err)
		}
		if second%7200 == 0 && second > 0 {
			if err := w.Mark(began.Add(time.Duration(second)*time.Second), "hour"); err != nil {
				t.Fatal(err)
			}
		}
		if second/every%50 == 0 {
			most = max(most, sizeOf(t, filepath.Dir(path)))
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	return max(most, sizeOf(t, filepath.Dir(path)))
}

// sizeOf is the size of all files in a directory.
func sizeOf(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil { // one may be renamed meanwhile
			bytes += info.Size()
		}
	}
	return bytes
}

// A day's record stays below its bound, with what is written beside it, and holds the whole day:
// its end second by second, and what is older at distances that grow with the age.
func TestDayStaysBelowItsBound(t *testing.T) {
	const bound, stacks, every = LeastSize, 60, 30
	w, path := create(t, bound)
	// A kill has left this.
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), ".record.thinned"), []byte("left"), 0o644); err != nil {
		t.Fatal(err)
	}
	if most := recordDay(t, w, path, stacks, every); most > bound {
		t.Errorf("%d bytes at most, the bound is %d", most, bound)
	}
	r := open(t, path)
	last := r.Len() - 1
	if first, end := r.Time(0), r.Time(last); !first.Equal(began) || !end.Equal(began.Add(24*time.Hour)) || len(r.Marks()) != 12 {
		t.Errorf("from %v to %v, %d marks", first, end, len(r.Marks()))
	}
	for i := range last {
		age := r.Time(last).Sub(r.Time(i))
		if apart := r.Time(i + 1).Sub(r.Time(i)); apart > age/leastResolution+every*time.Second {
			t.Errorf("after the snapshot %v before the end none for %v", age, apart)
		}
	}
	if apart := r.Time(last).Sub(r.Time(last - 5)); apart != 5*every*time.Second {
		t.Errorf("the last 5 snapshots are of %v", apart)
	}
	for _, i := range []int{0, last / 3, last / 2, last} {
		got, err := r.At(i)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got[0], synthetic(stacks, int(r.Time(i).Sub(began).Seconds())), i == last)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("there are %v, %v", files, err)
	}
	t.Logf("%d snapshots in %d bytes", r.Len(), sizeOf(t, filepath.Dir(path)))
}

// While a record is thinned, each kill leaves a file that opens.
func TestOpensWhileThinned(t *testing.T) {
	w, path := create(t, LeastSize)
	for second := range 2600 {
		at := began.Add(time.Duration(second) * time.Second)
		if err := w.Snapshot(at, []*report.Report{synthetic(20, second)}, false); err != nil {
			t.Fatal(err)
		}
		if second%97 != 0 && w.thinning == nil {
			continue
		}
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if last := r.Time(r.Len() - 1); !last.Equal(at) {
			t.Fatalf("the last snapshot is of %v, not %v", last, at)
		}
		if second%10 == 0 {
			got, err := r.At(r.Len() - 1)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got[0], synthetic(20, second), false)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(false); err != nil {
		t.Fatal(err)
	}
}

// Where a snapshot is larger than the bound, that is an error, and smaller ones still go in.
func TestTooLargeForTheBound(t *testing.T) {
	w, path := create(t, LeastSize)
	if err := w.Snapshot(began, []*report.Report{synthetic(30_000, 1)}, false); err == nil || w.Size() > LeastSize {
		t.Errorf("%v, %d bytes", err, w.Size())
	}
	if err := w.Snapshot(began, []*report.Report{synthetic(30, 2)}, false); err != nil {
		t.Error(err)
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).At(0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got[0], synthetic(30, 2), false)
}

// recordUntil records 20 stacks, a snapshot each second, until something is so. It returns the second.
func recordUntil(t *testing.T, w *Writer, second int, is func(err error) bool) int {
	t.Helper()
	for ; second < 10_000; second++ {
		if is(w.Snapshot(began.Add(time.Duration(second)*time.Second), []*report.Report{synthetic(20, second)}, false)) {
			return second + 1
		}
	}
	t.Fatal("it never is so")
	return 0
}

// What cannot be thinned is tried again a minute later, not with each snapshot, and also where the
// bound is reached meanwhile.
func TestThinningThatFails(t *testing.T) {
	const bound = LeastSize / 8
	w, path := create(t, bound)
	inTheWay := filepath.Join(filepath.Dir(path), ".record.thinned")
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	second := recordUntil(t, w, 0, func(err error) bool { return err != nil || w.notThinned != nil })
	first, least := w.failed, w.size
	second = recordUntil(t, w, second, func(err error) bool {
		if w.thinning != nil || !w.failed.Equal(first) {
			t.Fatal("it is tried again at once")
		}
		return err != nil
	})
	if w.notThinned == nil || float64(least) > 0.7*bound {
		t.Fatalf("it failed with %v at %d bytes", w.notThinned, least)
	}
	tooLarge := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "give a larger --record-size") && strings.Contains(err.Error(), "could not be thinned: ")
	}
	w.failed = w.failed.Add(-thinAgain)
	second = recordUntil(t, w, second, tooLarge)
	second = recordUntil(t, w, second, tooLarge)
	if !w.failed.After(first) {
		t.Error("it is not tried again after a minute")
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	w.failed = w.failed.Add(-thinAgain)
	second = recordUntil(t, w, second, tooLarge)
	recordUntil(t, w, second, func(err error) bool { return err == nil })
	if w.notThinned != nil || float64(w.size) > 0.7*bound {
		t.Errorf("%d bytes: %v", w.size, w.notThinned)
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
}

// What a record takes is set aside: encoding, and thinning in a goroutine of its own.
func TestWorkIsSetAside(t *testing.T) {
	w, _ := create(t, LeastSize)
	var begun, ended atomic.Int32
	w.Aside = func() func() {
		begun.Add(1)
		return func() { ended.Add(1) }
	}
	r := synthetic(1, 1)
	r.Stacks[0].Frames = nil
	r.Name = func(*report.Stack) {
		if begun.Load() != 1 || ended.Load() != 0 {
			t.Error("a stack is named while nothing is set aside")
		}
	}
	if err := w.Snapshot(began, []*report.Report{r}, false); err != nil {
		t.Fatal(err)
	}
	w.beginThinning()
	w.finishThinning(true)
	if begun, ended := begun.Load(), ended.Load(); begun != 2 || ended != 2 {
		t.Errorf("set aside %d times, to an end %d times", begun, ended)
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
}

// The end of a record does not wait until it is thinned.
func TestThinningIsAbandoned(t *testing.T) {
	w, path := create(t, 64<<20)
	const snapshots = 300
	recordUntil(t, w, 0, func(error) bool { return w.snapshots == snapshots })
	w.beginThinning()
	if err := w.Close(true); err != nil || !errors.Is(w.notThinned, errAbandoned) {
		t.Fatalf("closed with %v, thinned with %v", err, w.notThinned)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("there are %v, %v", files, err)
	}
	if r := open(t, path); r.Len() != snapshots || !r.Ended() {
		t.Errorf("%d snapshots, ended %v", r.Len(), r.Ended())
	}
}

// Definitions that begin anew do not mix with those from before.
func TestRestart(t *testing.T) {
	w, path := create(t, 64<<20)
	for second := range 20 {
		if second%6 == 5 {
			w.encoder.restart()
		}
		if err := w.Snapshot(began.Add(time.Duration(second)*time.Second), []*report.Report{synthetic(20+second, second)}, false); err != nil {
			t.Fatal(err)
		}
	}
	w.beginThinning()
	w.finishThinning(true)
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if err := r.Each(0, r.Len()-1, func(_ int, got []*report.Report) error {
		second := int(got[0].DurationSeconds)
		same(t, got[0], synthetic(20+second, second), false)
		return nil
	}); err != nil || r.Len() != 20 {
		t.Errorf("%d snapshots, %v", r.Len(), err)
	}
}

// BenchmarkSnapshot is what one more snapshot of 20,000 stacks costs, of which a third changes.
func BenchmarkSnapshot(b *testing.B) {
	w, _ := create(b, 1<<40)
	reports := make([]*report.Report, 10)
	for i := range reports {
		reports[i] = synthetic(20_000, i+1)
	}
	_ = w.Snapshot(began, reports[:1], false) // names are written once
	size := w.Size()
	for i := 0; b.Loop(); i++ {
		if err := w.Snapshot(began, reports[i%len(reports):][:1], false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(w.Size()-size)/float64(b.N), "bytes/op")
}
