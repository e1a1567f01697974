package tracer

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

const newWays = `// build: gcc -O1 -g -fno-omit-frame-pointer -fno-builtin -fno-optimize-sibling-calls
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static unsigned long way;
static volatile int depth_reached;
static void left(int depth);
static __attribute__((noinline)) void right(int depth) {
	if (depth == 0) free(malloc(16));
	else if (way >> depth & 1) right(depth - 1);
	else left(depth - 1);
	depth_reached = depth;
}
static __attribute__((noinline)) void left(int depth) {
	if (depth == 0) free(malloc(16));
	else if (way >> depth & 1) right(depth - 1);
	else left(depth - 1);
	depth_reached = -depth;
}
static __attribute__((noinline)) void *keeper(void) { void *p = malloc(77); depth_reached = 1; return p; }
static __attribute__((noinline)) void *outer(void) { void *p = keeper(); depth_reached = 2; return p; }
int main(void) {
	char line[8];
	void *first = NULL;
	dprintf(1, "ready %d\n", getpid());
	/* A letter each: "k" has outer keep a block, "f" frees it, "n" goes new ways. */
	while (read(0, line, 2) == 2) {
		if (line[0] == 'n') for (int i = 0; i < 5000; i++) { way++; left(30); }
		else if (line[0] == 'k') first = outer();
		else free(first);
		dprintf(1, "done\n");
	}
	return 0;
}
`

// keeperStack returns what the tracer knows of the stack that ends in keeper.
func keeperStack(tr *Tracer) (id event.StackID, frames []string) {
	for _, r := range tr.Snapshot(SnapshotOptions{}) {
		for _, s := range r.Stacks {
			if s.Bytes == 77 {
				for _, f := range s.Frames {
					frames = append(frames, f.Function)
				}
				id, err := strconv.ParseUint(s.ID, 16, 64)
				if err != nil {
					panic(err)
				}
				return event.StackID(id), frames
			}
		}
	}
	return 0, nil
}

// If there are too many stacks, one that holds nothing is forgotten, in the kernel too. If it
// allocates again its frames are whole, by tables and by frame pointers.
func TestForgottenStackComesBack(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	dir := testprog.BuildText(t, map[string]string{"ways.c": newWays})
	for name, framePointers := range map[string]bool{"tables": false, "frame pointers": true} {
		t.Run(name, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(filepath.Join(dir, "ways")))
			tr, end := run(t, Config{PIDs: []int{p.PID()}, stackMemory: 600 << 10, older: probe.Older{FramePointers: framePointers}})
			do := func(letter string) {
				p.Say(letter)
				p.Line()
				tr.stream.Sync(t.Context(), 10*time.Second)
			}
			do("k")
			id, _ := keeperStack(tr)
			if id == 0 {
				t.Fatal("the stack was not seen at all")
			}
			known := func() (found bool) {
				tr.book.EachStack(func(known event.StackID, _ []uint64, _ bool) { found = found || known == id })
				return found
			}
			for range 5 {
				do("n")
			}
			if !known() {
				t.Fatal("a stack that holds something was forgotten before others that hold nothing")
			}
			do("f")
			for deadline := time.Now().Add(time.Minute); known(); {
				if time.Now().After(deadline) {
					t.Fatal("a stack that holds nothing is not forgotten")
				}
				do("n")
			}
			do("k")
			end()
			if _, frames := keeperStack(tr); !strings.HasPrefix(strings.Join(frames, " "), "keeper outer main") {
				t.Errorf("its frames: %v", frames)
			}
			given := tr.book.Copy(uint32(p.PID()), book.Asked{}).Heap.Counters.GivenUp
			if n := len(allStacks(tr)); n > 50000 || given.Empty == 0 || given.Holding != 0 {
				t.Errorf("%d stacks are known, %+v given up", n, given)
			}
		})
	}
}
