package tracer

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memtrace/tracer/launch"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// reuses has two children one after the other, and once it is told to a third with the pid of the
// second. Each keeps blocks: 1 of 1000 bytes, 10 of 100, and 100 of 10.
const reuses = `
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void child(int blocks)
{
	for (int i = 0; i < blocks; i++)
		if (!malloc(1000 / blocks))
			_exit(1);
	_exit(0);
}
static pid_t run(int blocks, pid_t as)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = as ? (uintptr_t)&as : 0, .set_tid_size = as ? 1 : 0 };
	pid_t pid = syscall(SYS_clone3, &args, sizeof args);
	if (!pid)
		child(blocks);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		exit(1);
	return pid;
}
int main(void)
{
	free(malloc(1));
	run(1, 0);
	pid_t pid = run(10, 0);
	printf("pid %d\n", pid);
	fflush(stdout);
	getchar();
	run(100, pid);
	return 0;
}
`

// A process whose pid was another's, on which there is no report yet, is traced as others are.
func TestPIDIsReused(t *testing.T) {
	testprog.NeedRoot(t)
	program := testprog.BuildProgram(t, "gcc -O1 -fno-builtin", reuses)
	// On a machine that is too busy, processes run on before they are adopted: they are held for
	// launch.HoldLimit at most.
	for range 5 {
		if reusePID(t, program) {
			return
		}
	}
	t.Error("in each round processes ran on before they were adopted")
}

// reusePID returns false if a process was not held long enough to tell.
func reusePID(t *testing.T, program string) bool {
	t.Helper()
	in, say := pipe(t)
	hear, out := pipe(t)
	stdin, stdout := os.Stdin, os.Stdout
	os.Stdin, os.Stdout = in, out
	c, err := launch.Start([]string{program})
	os.Stdin, os.Stdout = stdin, stdout
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	var tr *Tracer
	var born atomic.Int32
	var overdue atomic.Bool
	check := func(err error) {
		if err != nil && !overdue.Load() {
			t.Error(err)
		}
	}
	c.Follow(launch.Hooks{
		Born: func(pid int) {
			born.Add(1)
			check(tr.Adopt(pid, true))
		},
		Executed: func(pid int, byThread bool) { check(tr.Executed(pid, byThread)) },
		Overdue:  func(int, <-chan struct{}) { overdue.Store(true) },
	})
	t.Cleanup(c.Unfollow)
	var said lines
	tr, end := run(t, Config{PIDs: []int{c.PID()}, Follow: true, Logf: said.add})
	tr.followed.moving.RLock() // the report on the first child waits, and the other one behind it
	goOn := sync.OnceFunc(tr.followed.moving.RUnlock)
	defer goOn()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	var pid uint32
	if _, err := fmt.Fscanf(hear, "pid %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	await(t, "ended", func() bool { return tr.book.Exited(pid) })
	fmt.Fprintln(say)
	await(t, "another process", func() bool { return born.Load() == 3 })
	time.Sleep(2 * lookInterval) // nobody takes the new process for the one that has ended
	goOn()
	if status, err := c.Wait(); err != nil || status != 0 {
		t.Errorf("it ended with %d, %v", status, err)
	}
	end()
	if overdue.Load() {
		return false
	}
	var sum report.Sum
	for _, r := range tr.Snapshot(SnapshotOptions{}) {
		if r.Target.PID == c.PID() {
			continue
		}
		for _, s := range r.Stacks {
			sum.Bytes, sum.Blocks = sum.Bytes+s.Bytes, sum.Blocks+s.Blocks
		}
	}
	if want := (report.Sum{Bytes: 2000, Blocks: 101}); sum != want {
		t.Errorf("children hold %+v, want %+v", sum, want)
	}
	if want := fmt.Sprintf("process %d (", pid); !strings.Contains(said.text(), want) {
		t.Errorf("nothing is said of the process of which there is no report: %s", said.text())
	}
	return true
}

// lines are those of a log.
type lines struct {
	mu   sync.Mutex
	said strings.Builder
}

func (l *lines) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.said, format+"\n", args...)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is not %s", what)
		}
	}
}
