package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// ownAllocator has an allocator of its own on memory that it takes by sbrk, or if it is given an
// argument that it has mapped before.
const ownAllocator = `
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *at, *end;

__attribute__((noipa)) static void more_room(void)
{
	at = sbrk(1 << 16);
	end = at + (1 << 16);
}

__attribute__((noipa)) static void *cell_alloc(unsigned size)
{
	if (!at || at + size > end)
		more_room();
	at += size;
	return memset(at - size, 1, size);
}

__attribute__((noipa)) static void keep_row(void)
{
	cell_alloc(256);
}

__attribute__((noipa)) void cell_free(void *cell)
{
	(void)cell;
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		at = mmap(NULL, 1L << 36, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		end = at + (1L << 36);
	}
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;) {
		for (int i = 0; i < 20; i++)
			keep_row();
		usleep(1000);
	}
}
`

// Where memory grows and no allocation is seen for it, memtrace looks who touches it, and proposes
// to trace what looks like an allocator there.
func TestUnknownAllocator(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", ownAllocator)
	for args, kind := range map[string]report.FindingKind{"": report.UnknownAllocator, "mapped": report.Unexplained} {
		pid := testprog.Command(t, exec.Command(program, strings.Fields(args)...)).PID()
		m := startMemtrace(t, "-p", strconv.Itoa(pid))
		time.Sleep(8 * time.Second)
		r := m.stop()
		f := &r.Diagnosis.Findings[0]
		if f.Kind != kind || f.Culprit == nil || f.Culprit.Function != "cell_alloc" && f.Culprit.Function != "keep_row" {
			t.Errorf("%q: %s: %s", args, f.Kind, r.Diagnosis.Answer)
		}
		const want = "--alloc cell_alloc --free cell_free each of its blocks has a stack"
		if !strings.Contains(f.Next, want) || strings.Contains(r.Diagnosis.Answer, "fragment") {
			t.Errorf("%q: %s\n%s", args, r.Diagnosis.Answer, f.Next)
		}
		if r.Growth == nil || len(r.Growth.FaultStacks) == 0 {
			t.Errorf("%q: no stacks of page faults", args)
		}
	}
}
