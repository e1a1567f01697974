package target

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A process keeps running its program when its first thread ends, until it begins another one.
func TestRuns(t *testing.T) {
	cmd := exec.Command(testprog.BuildProgram(t, "gcc -pthread", `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *thread(void *arg) {
	char c;
	read(0, &c, 1);
	execlp("sleep", "sleep", "60", NULL);
	return arg;
}
int main(void) {
	pthread_t t;
	char c;
	puts("ready");
	fflush(stdout);
	read(0, &c, 1);
	pthread_create(&t, NULL, thread, NULL);
	pthread_exit(NULL);
}
`))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := start(t, cmd)
	found := find(t, pid)
	if !found.Runs() {
		t.Error("it does not run what it was found to run")
	}
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	say := func() {
		if _, err := io.WriteString(in, "\n"); err != nil {
			t.Fatal(err)
		}
	}
	say()
	var st unix.Stat_t
	eventually(t, "the first thread ends", func() bool { return unix.Stat(exe, &st) != nil })
	if !found.Runs() {
		t.Error("it does not run on without its first thread")
	}
	say()
	eventually(t, "sleep begins", func() bool {
		name, err := os.Readlink(exe)
		return err == nil && strings.HasSuffix(name, "/sleep")
	})
	if found.Runs() {
		t.Error("it runs sleep, and is said to run what it did")
	}
}
