package tracer

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// The report of a process that ran on before its probes were in place says so.
func TestOverdue(t *testing.T) {
	testprog.NeedRoot(t)
	first, late := testprog.Start(t, "busy"), testprog.Start(t, "busy")
	tr, end := run(t, Config{PIDs: []int{first.PID()}, Joins: true})
	if err := tr.Adopt(late.PID(), false); err != nil {
		t.Fatal(err)
	}
	tr.Overdue(late.PID())
	for _, r := range tr.Snapshot(SnapshotOptions{}) {
		if said := len(r.Unprobed) > 0; said != (r.Target.PID == late.PID()) || r.Complete == said {
			t.Errorf("process %d: %q, complete %v", r.Target.PID, r.Unprobed, r.Complete)
		}
	}
	end()
}

// waits reads a line and executes a program.
const waits = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	free(malloc(argc));
	printf("ready %d\n", getpid());
	fflush(stdout);
	return getchar() == '\n' ? execl(argv[1], argv[1], NULL) : 1;
}
`

// raises reads a line and raises the threshold of glibc's malloc.
const raises = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
	char byte;
	if (read(0, &byte, 1) != 1)
		return 1;
	free(malloc(1 << 20));
	puts("raised");
	fflush(stdout);
	return (int)read(0, &byte, 1);
}
`

// The malloc of a program is watched although the process joined with one that has another libc.
func TestMallocAfterMusl(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.NeedTool(t, "musl-gcc")
	testprog.Long(t)
	next := testprog.BuildProgram(t, "gcc -O1 -fno-builtin", raises)
	first := testprog.Start(t, "busy")
	joins := testprog.Command(t, exec.Command(testprog.BuildProgram(t, "musl-gcc -O1 -fno-builtin", waits), next))
	tr, end := run(t, Config{PIDs: []int{first.PID()}, Joins: true})
	if err := tr.Adopt(joins.PID(), false); err != nil {
		t.Fatal(err)
	}
	await := func(what string, is func(r *report.Report) bool) {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			all := tr.Snapshot(SnapshotOptions{})
			if i := slices.IndexFunc(all, func(r *report.Report) bool { return r.Target.PID == joins.PID() }); i >= 0 && is(all[i]) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %d is not %s: %+v", joins.PID(), what, all)
			}
		}
	}
	joins.Say("")
	await("another program", func(r *report.Report) bool { return r.Target.Exe == next })
	joins.Say("")
	joins.Line()
	time.Sleep(5 * time.Second) // for a look at its malloc
	joins.Kill()
	await("over", func(r *report.Report) bool {
		if r.Target.Exited && (r.MallocSplit == nil || r.MallocSplit.MmapThreshold < 1<<20) {
			t.Fatalf("the threshold was not seen: %+v", r.MallocSplit)
		}
		return r.Target.Exited
	})
	end()
}
