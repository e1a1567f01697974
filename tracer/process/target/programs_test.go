package target

import (
	"bufio"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

func needAMD64(t testing.TB) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		testprog.Missing(t, "is about x86-64 code")
	}
}

// start runs a command and returns its pid and the first line that it writes.
func start(t testing.TB, cmd *exec.Cmd) (pid int, line string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return cmd.Process.Pid, strings.TrimSpace(line)
}

// find is Find for a process that must be found.
func find(t testing.TB, pid int) *Target {
	t.Helper()
	found, err := Find(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(found.Close)
	return found
}

// families lists the families of the target's objects.
func families(found *Target) []Family {
	var all []Family
	for _, o := range found.Objects {
		all = append(all, o.Family)
	}
	return all
}

// waiting is a program that writes a line and waits to be killed.
const waiting = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
	free(realloc(malloc(10), 20));
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
`
