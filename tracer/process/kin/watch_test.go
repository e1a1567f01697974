package kin

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// step is by how much children grow, and slack how much the figures may be off on kernels that
// do not count to the page. Of the children that do nothing they are right.
const step, slack = 4 << 20, 1 << 20

func about(got int64, want int) bool { return got > int64(want)-slack && got < int64(want)+slack }

// What children and their children take is told from what their parent had, and from what they
// had before they were seen.
func TestChildrenGrow(t *testing.T) {
	f := newFamily(t)
	pids := f.do("fork 3")
	f.do("grow 0", strconv.Itoa(8*step)) // before the first look
	f.poll()
	late := f.do("fork 1")[0]
	nested := f.do("nest 1")[0]
	f.poll()
	for range 8 {
		f.do("grow 1", strconv.Itoa(step))
		f.do("grow 3", strconv.Itoa(step))
		f.poll()
	}
	f.do("touch 2")
	s, children := f.snapshot()
	for pid, want := range map[int]struct {
		parent int
		growth int
	}{
		pids[0]: {f.PID(), 0}, pids[1]: {f.PID(), 8 * step}, pids[2]: {f.PID(), 0}, late: {f.PID(), 8 * step}, nested: {pids[1], 8 * step},
	} {
		c, ok := children[pid]
		if !ok || c.Parent != want.parent || c.Command != "family" || !c.Forked || c.Exited {
			t.Fatalf("%d: %+v", pid, c)
		}
		if !about(c.Growth, want.growth) || c.Growing != (want.growth > 0) {
			t.Errorf("%d: grown by %d, want %d; growing %v", pid, c.Growth, want.growth, c.Growing)
		}
		if c.Growing && (c.BytesPerSecond < step/2 || c.BytesPerSecond > 2*step || c.Watched < 9*time.Second) {
			t.Errorf("%d: %v bytes/s in %v", pid, c.BytesPerSecond, c.Watched)
		}
	}
	if n, rate := s.Growing(); n != 3 || rate < 3*step/2 {
		t.Errorf("%d children grow by %v bytes/s", n, rate)
	}
	if s.Living != 5 || len(s.Children) != 5 || s.Unwatched != 0 || s.Ended != 0 || s.Gone || s.Truncated || s.Polls != 11 || s.Looks != 11 {
		t.Errorf("%+v", s)
	}
	if !s.Children[0].Growing || s.Children[4].Growing {
		t.Error("what grows does not come first")
	}
}

// A child that has ended is kept if it has grown. Those of its kind that come after it are known
// by it.
func TestEndedChildren(t *testing.T) {
	f := newFamily(t)
	first := f.do("fork 2")
	for range 8 {
		f.do("grow 0", strconv.Itoa(step))
		f.poll()
	}
	f.do("leave")
	s, children := f.snapshot()
	if c := children[first[0]]; !c.Exited || !c.Growing || !about(c.Growth, 7*step) || c.Watched != 7*time.Second || c.Past.Judged != 0 {
		t.Errorf("%+v", c)
	}
	if s.Zombies != 2 || s.Living != 0 || s.Ended != 2 || s.EndedGrew != 1 || !about(int64(s.EndedGrowth), 7*step) || len(s.Children) != 1 {
		t.Errorf("%+v", s)
	}
	f.do("end")
	next := f.do("fork 1")[0]
	s, children = f.snapshot()
	if c := children[next]; c.Past.Grew != 1 || c.Past.Judged != 2 || c.Grows() || c.Exited || s.Zombies != 0 || s.Living != 1 {
		t.Errorf("%+v, %+v", c, s)
	}
	f.do("exec 0")
	if _, children = f.snapshot(); children[next].Past.Judged != 0 || children[next].Forked {
		t.Errorf("after an exec: %+v", children[next])
	}
}

// After an exec a child's growth counts from anew. The program that it runs then is not its
// parent's, even if it is the same file.
func TestExecutingChild(t *testing.T) {
	f := newFamily(t)
	pid := f.do("fork 1")[0]
	for range 8 {
		f.do("grow 0", strconv.Itoa(step))
		f.poll()
	}
	f.do("exec 0")
	f.poll()
	f.do("grow 0", strconv.Itoa(step))
	s, children := f.snapshot()
	c := children[pid]
	if c.Forked || !about(c.Growth, step) || c.Watched != time.Second || c.Growing || s.Ended != 0 {
		t.Errorf("%+v", c)
	}
}

// A process that has the pid of a child that has ended is another one.
func TestUsedPID(t *testing.T) {
	f := newFamily(t)
	pid := f.do("fork 1")[0]
	f.poll()
	f.do("grow 0", strconv.Itoa(step))
	f.poll()
	f.watched[pid].start-- // as if that one had begun earlier
	f.poll()
	s, _ := f.snapshot()
	if s.Ended != 1 || s.EndedGrew != 1 || s.Living != 1 || len(s.Children) != 2 {
		t.Fatalf("%+v", s)
	}
	was, is := s.Children[0], s.Children[1]
	if was.PID != pid || !was.Exited || is.PID != pid || is.Exited || is.Growth != 0 || is.Watched != time.Second {
		t.Errorf("%+v, %+v", was, is)
	}
}

// Of many children none is counted twice or forgotten, and none that has ended is kept if it did
// not grow.
func TestManyChildren(t *testing.T) {
	f := newFamily(t)
	files := openFiles(t)
	for range 10 {
		f.do("fork 100")
		f.poll()
		f.do("end")
		f.poll()
	}
	s, _ := f.snapshot()
	if s.Ended != 1000 || s.EndedGrew != 0 || s.Living != 0 || s.Zombies != 0 || len(s.Children) != 0 || len(f.watched) != 0 || len(f.list.found) != 0 {
		t.Errorf("%d children have ended, %d remain: %+v", s.Ended, len(f.watched), s)
	}
	if now := openFiles(t); now != files {
		t.Errorf("%d files are open, %d before", now, files)
	}
	// More than are watched, the largest of which come last.
	const more = 40
	f.do("fork", strconv.Itoa(maxWatched))
	f.poll()
	large := f.do("fork", strconv.Itoa(more))
	f.do("grow", strconv.Itoa(maxWatched), strconv.Itoa(16*step))
	f.do("grow", strconv.Itoa(maxWatched+1), strconv.Itoa(16*step))
	f.poll()
	s, children := f.snapshot()
	if s.Living != maxWatched+more || s.Unwatched != more || len(s.Children) != maxWatched {
		t.Errorf("%d children, %d not watched, %d shown", s.Living, s.Unwatched, len(s.Children))
	}
	for _, pid := range large[:2] {
		if c, ok := children[pid]; !ok || c.Watched != time.Second {
			t.Errorf("a child that is larger: %+v", c)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Of those that have ended and grew, the ones that grew most are kept.
func TestKeptChildren(t *testing.T) {
	e := ended{past: make(map[kind]Past)}
	at := time.Unix(1000, 0)
	var total uint64
	for i := range 10 * maxEnded {
		c := &child{pid: i + 1}
		grown := uint64(i * 7919 % (10 * maxEnded)) // each from 0 to 639, in disorder
		for _, private := range []uint64{1 << 20, 1<<20 + grown} {
			c.look(&stat{start: 1, stack: 2, command: "a"}, private, at)
		}
		total += grown
		e.add(c, 2)
	}
	if e.n != 10*maxEnded || e.grew != 10*maxEnded-1 || e.growth != total || len(e.kept) != maxEnded {
		t.Fatalf("%d ended, %d grew by %d, %d kept", e.n, e.grew, e.growth, len(e.kept))
	}
	for _, c := range e.kept {
		if c.Growth < 9*maxEnded || !c.Exited || !c.Forked {
			t.Errorf("kept %+v", c)
		}
	}
}

// Both ways to find descendants find the same, and leave out memtrace's own.
func TestLister(t *testing.T) {
	f := newFamily(t)
	want := append(f.do("fork 5"), f.do("nest 4")...)
	slices.Sort(want)
	for name, threads := range map[string]int{"files of threads": 1, "scan": 1 << 20} {
		l := newLister()
		if threads == 1 && !l.children {
			testprog.Missing(t, "a kernel with CONFIG_PROC_CHILDREN")
		}
		got := slices.Sorted(slices.Values(l.descendants(f.PID(), threads)))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if got := l.descendants(os.Getppid(), threads); slices.Contains(got, os.Getpid()) || slices.Contains(got, f.PID()) {
			t.Errorf("%s: %v has this process, %d, or its child %d", name, got, os.Getpid(), f.PID())
		}
		got = l.descendants(os.Getpid(), threads)
		if !slices.Contains(got, f.PID()) || !slices.Contains(got, want[5]) {
			t.Errorf("%s: %v lacks %d or a grandchild", name, got, f.PID())
		}
	}
}

// Children are looked at less often where that takes long, and the process itself each time.
func TestShare(t *testing.T) {
	f := newFamily(t)
	f.do("fork 1")
	f.share = 1e-9
	for range 3 {
		f.poll()
	}
	if s := f.last; s.Polls != 3 || s.Looks != 1 {
		t.Errorf("%d polls, %d of the children", s.Polls, s.Looks)
	}
	if s, _ := f.snapshot(); s.Polls != 4 || s.Looks != 2 {
		t.Errorf("a snapshot: %d polls, %d of the children", s.Polls, s.Looks)
	}
}

// Where each child lives only for moments, those that are too young to be judged do as those
// before them did. A child that was only just started proves nothing.
func TestSuccession(t *testing.T) {
	f := newFamily(t)
	live := func(steps int) {
		for range 6 { // the program has just begun, or does so no more
			if steps > 0 {
				f.do("grow 0", strconv.Itoa(step))
			}
			f.now = f.now.Add(-time.Second / 2)
			f.poll()
		}
	}
	for i := range 4 {
		f.do("fork 1")
		live(1)
		s, _ := f.snapshot()
		n, rate := s.Growing()
		if grows := i >= minPast; (n == 1) != grows || (rate > step) != grows {
			t.Errorf("child %d: %d grow by %v bytes/s", i, n, rate)
		}
		f.do("end")
	}
	f.do("fork 1")
	s, _ := f.snapshot()
	if n, rate := s.Growing(); n != 1 || rate < step {
		t.Errorf("a new child: %d grow by %v bytes/s", n, rate)
	}
	f.do("end")
	// Most do not grow.
	for range 3 {
		f.do("fork 1")
		live(0)
		f.do("end")
	}
	f.do("fork 1")
	if s, _ = f.snapshot(); s.Children[len(s.Children)-1].Past.Judged < 7 {
		t.Fatalf("%+v", s.Children)
	}
	if n, _ := s.Growing(); n != 0 {
		t.Errorf("%d grow", n)
	}
}
