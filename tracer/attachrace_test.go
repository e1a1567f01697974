package tracer

import (
	"context"
	"os/exec"
	"testing"

	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

// lateHeap makes its heap at the first line that it reads, and takes blocks of it at the second.
const lateHeap = `#include <stdlib.h>
#include <unistd.h>
static void *kept[16];
int main(void) {
	char c;
	write(1, "ready 0\n", 8);
	for (int round = 0; read(0, &c, 1) == 1; round++) {
		for (int i = 0; round ? i < 16 : i < 1; i++)
			kept[i] = malloc(5000);
		if (!round)
			free(malloc(110000)); // so that the heap has room for the second round
		write(1, "done\n", 5);
	}
}
`

// A process makes its heap between the moment when it is looked at and the moment from which
// its calls are seen. It has one thread, so no block is in a thread's arena.
func TestHeapMadeWhileAttaching(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(testprog.BuildProgram(t, "gcc -O0 -g", lateHeap)))
	made := false
	tr, err := Open(context.Background(), Config{
		PIDs: []int{p.PID()}, older: probe.Older{FramePointers: true},
		Logf: func(string, ...any) { // of how stacks are walked: the process is open by then
			if !made {
				made = true
				p.Say("")
				p.Line()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if !made {
		t.Fatal("nothing was logged between the look at the process and its attachment")
	}
	done := make(chan error, 1)
	go func() { done <- tr.Run(t.Context()) }()
	p.Say("")
	p.Line()
	p.End()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r := tr.Snapshot(SnapshotOptions{})[0]
	if s := r.MallocSplit; s == nil || s.Brk.Blocks == 0 || s.Arena.Blocks != 0 {
		t.Errorf("split %+v, want all blocks in the brk heap", s)
	}
}
