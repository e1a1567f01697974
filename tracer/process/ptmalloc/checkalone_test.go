package ptmalloc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

// alone is a program of one thread that is not linked with libpthread. It frees every third of
// its blocks.
const alone = `
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
enum { COUNT = 24 };
static void *p[COUNT];
static char line[200];
static void say(unsigned long v) {
	char d[20];
	int n = 0;
	do d[n++] = '0' + v % 10; while (v /= 10);
	while (n > 0) strncat(line, &d[--n], 1);
}
int main(void) {
	unsigned long header[COUNT];
	write(1, "ready 1\n", 8);
	for (int i = 0; i < COUNT; i++) {
		p[i] = malloc(i % 2 ? 40 : 24);
		header[i] = ((unsigned long *)p[i])[-1];
		((unsigned long *)p[i])[1] = (unsigned long)p[0] & ~0xfffUL | 0x10; // where its cache is
	}
	for (int i = 0; i < COUNT; i += 3) free(p[i]);
	for (int i = 0; i < COUNT; i++) {
		strcpy(line, "block ");
		say((unsigned long)p[i]), strcat(line, " "), say(header[i]);
		strcat(line, i % 3 ? " 0 kept\n" : " 1 cached\n");
		write(1, line, strlen(line));
	}
	write(1, "done 0\n", 7);
	pause();
}`

// TestCheckAlone runs programs whose thread's cache is found in other ways, because the
// variable is not in a libc's table or the thread's descriptor is not available.
func TestCheckAlone(t *testing.T) {
	testprog.Long(t)
	dir := t.TempDir()
	source := filepath.Join(dir, "alone.c")
	if err := os.WriteFile(source, []byte(alone), 0o644); err != nil {
		t.Fatal(err)
	}
	build := func(name string, flags ...string) string {
		program := filepath.Join(dir, name)
		args := append(flags, "-O1", "-w", "-fno-builtin", "-o", program, source)
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return program
	}
	commands := map[string]func() *exec.Cmd{
		"dynamic":    func() *exec.Cmd { return exec.Command(build("dynamic")) },
		"static":     func() *exec.Cmd { return exec.Command(build("static", "-static")) },
		"static-pie": func() *exec.Cmd { return exec.Command(build("static-pie", "-static-pie", "-fPIE")) },
	}
	for _, suite := range suites[1:] {
		commands["suite "+suite] = func() *exec.Cmd {
			chunksCommand(t, suite)
			return libraries[suite].Command(t.Context(), build("oldest", debpkg.Sysroot(t, "bullseye")...))
		}
	}
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			p := &chunks{Program: testprog.Command(t, command()), t: t}
			all := p.read()
			if strings.HasPrefix(name, "static") {
				heap, err := openStatic(p.PID())
				if err != nil {
					t.Fatal(err)
				}
				defer heap.Close()
				p.heap = heap
			} else {
				p.heap = openHeap(t, p.PID())
			}
			p.checker = NewChecker(p.heap)
			compare(t, all, p.check(all))
			if err := p.checker.Caches(); err != nil {
				t.Error(err)
			}
		})
	}
}
