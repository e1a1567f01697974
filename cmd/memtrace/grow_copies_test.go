package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// copies maps a file privately for each line that it reads, writes to a part of it, and reads
// the rest. With two arguments it reads all of it before.
const copies = `
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 4 << 20, WRITTEN = 1 << 20 };

__attribute__((noipa)) static void read_image(volatile char *p, int from)
{
	for (int i = from; i < SIZE; i += 4096)
		p[i];
}

__attribute__((noipa)) static void run_sandbox(int fd, int first)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	read_image(p, first ? 0 : WRITTEN);
	memset(p, 7, WRITTEN);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	char line[100];
	int fd = open(argv[argc - 1], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, SIZE))
		return 1;
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		run_sandbox(fd, argc > 2);
		puts("ok");
		fflush(stdout);
	}
	return 0;
}
`

// What a process writes to in private mappings of a file is memory of its own, unlike what it
// only reads there, and has the stack that wrote.
func TestGrowCopiesOfFile(t *testing.T) {
	testprog.NeedRoot(t)
	whole := wholeStacks(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin", copies)
	for name, args := range map[string][]string{"unread": nil, "read before": {"first"}} {
		t.Run(name, func(t *testing.T) {
			growCopies(t, exec.Command(program, append(args, filepath.Join(t.TempDir(), "image"))...), whole)
		})
	}
}

func growCopies(t *testing.T, program *exec.Cmd, whole bool) {
	p := testprog.Command(t, program)
	m := growOf(t, p.PID())
	const steps, written = 16, 1 << 20
	for range steps {
		p.Say("")
		p.Line()
	}
	r := m.stop()
	g := r.Growth
	if r.Outstanding.Bytes != steps*written || r.Reserved.Bytes != steps*3*written {
		t.Errorf("grown by %d bytes, %d reserved, want %d and %d", r.Outstanding.Bytes, r.Reserved.Bytes, steps*written, steps*3*written)
	}
	if !g.Faults.Sampled {
		testprog.Missing(t, "this kernel does not report page faults")
	}
	if whole {
		checkFaults(t, g, "run_sandbox", steps*written)
	}
	for _, s := range g.FaultStacks {
		if hasFrame(s.Frames, "read_image") {
			t.Errorf("pages of the file count, as if they were the process's own: %+v", s)
		}
		t.Log(fmt.Sprint(s.Classes), strconv.FormatUint(s.Bytes, 10))
	}
}
