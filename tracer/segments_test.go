package tracer

import (
	"os/exec"
	"testing"

	"memtrace/tracer/probe"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// segments attaches four System V segments for each line that it reads, and fills a half of each.
// It detaches one, unmaps another, and replaces the third by a smaller one.
const segments = `#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

enum { SIZE = 1 << 20, SMALL = 64 << 10 };

static int make(int size)
{
	return shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
}

__attribute__((noipa)) static char *attach(int size, void *at)
{
	int id = make(size);
	char *p = shmat(id, at, at ? SHM_REMAP : 0);
	shmctl(id, IPC_RMID, 0);
	return memset(p, 1, size / 2);
}

int main(void)
{
	char line[100];
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		char *kept = attach(SIZE, 0), *detached = attach(SIZE, 0), *unmapped = attach(SIZE, 0), *replaced = attach(SMALL, 0);
		__asm__ volatile("" : : "r"(kept));
		shmdt(detached);
		munmap(unmapped, SIZE);
		attach(SMALL, replaced);
		shmdt(replaced);
		shmdt(unmapped); // fails
		puts("ok");
		fflush(stdout);
	}
	return 0;
}
`

// Segments are known with every way of seeing system calls, by the memory that they take.
func TestSegments(t *testing.T) {
	testprog.NeedRoot(t)
	const steps, size = 5, 1 << 20
	path := testprog.BuildProgram(t, "gcc -O1 -g", segments)
	for name, older := range map[string]probe.Older{
		"as this kernel allows": {}, "exit of all calls": {ExitTracepoint: true}, "entry of all calls": {EntryTracepoint: true},
	} {
		check := func(t *testing.T, r *report.Report) {
			t.Helper()
			if r.Outstanding != (report.Sum{Bytes: steps * size / 2, Blocks: steps}) || r.Reserved.Bytes != steps*size/2 || !r.Complete {
				t.Errorf("outstanding %+v, reserved %+v, complete %v, want %d segments filled to a half", r.Outstanding, r.Reserved, r.Complete, steps)
			}
			if r.Events.Shmat != 5*steps || r.Events.Shmdt < 2*steps {
				t.Errorf("events %+v", r.Events)
			}
			if s := &r.Stacks[0]; len(s.Grown) != 1 || s.Grown[0].Class != "shared" || s.Bytes != steps*size/2 {
				t.Errorf("stack %+v", s)
			}
		}
		t.Run("growth/"+name, func(t *testing.T) {
			check(t, watchGrowth(t, Config{older: older}, testprog.Command(t, exec.Command(path)), steps, func(*Tracer) {}))
		})
		t.Run("exact/"+name, func(t *testing.T) {
			p := testprog.Command(t, exec.Command(path))
			tr, end := run(t, Config{PIDs: []int{p.PID()}, older: older})
			for range steps {
				p.Say("")
				p.Line()
			}
			end()
			check(t, tr.Snapshot(SnapshotOptions{})[0])
		})
	}
}
