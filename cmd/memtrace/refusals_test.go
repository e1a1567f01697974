package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// hiding is a program that nobody may look at, not even its own user.
const hiding = `
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void) {
	if (prctl(PR_SET_DUMPABLE, 0))
		return 1;
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}
`

// What may not be looked at is refused with the privilege that is missing in its case.
func TestRefusals(t *testing.T) {
	testprog.NeedRoot(t)
	for _, tool := range []string{"setpriv", "unshare", "mount"} {
		testprog.NeedTool(t, tool)
	}
	dir := openDir(t)
	binary, program := filepath.Join(dir, "memtrace"), filepath.Join(dir, "hiding")
	copyFile(t, testprog.Memtrace(t), binary)
	copyFile(t, testprog.BuildProgram(t, "gcc", hiding), program)
	user := exec.Command(program)
	user.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	of := testprog.Command(t, user)
	root := strconv.Itoa(sleeper(t, nil).Process.Pid)

	without := func(caps string) string {
		return "setpriv --bounding-set " + caps + " --inh-caps " + caps + " "
	}
	asNobody := fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups ", nobody, nobody)
	// This is in a mount namespace of its own, where /proc shows only what is the user's.
	hidden := "unshare -m sh -c \"mount -t proc -o hidepid=2 proc /proc && exec " + asNobody
	for _, tc := range []struct{ prefix, args, suffix, want string }{
		{without("-sys_ptrace"), "-p " + root, "", "needs CAP_SYS_PTRACE (to read what processes map and hold): root lacks that here"},
		{without("-sys_ptrace"), "-p 1", "", "needs CAP_SYS_PTRACE (to read what processes map and hold): root lacks that here"},
		{without("-sys_ptrace"), "grow -p " + root, "", "needs CAP_SYS_PTRACE (to read what processes map and hold): root lacks that here"},
		{without("-sys_ptrace"), "regions -p " + root, "", "root lacks CAP_SYS_PTRACE here"},
		{without("-bpf,-sys_admin"), "-p " + root, "", "needs CAP_BPF (to load BPF programs): root lacks that here"},
		{without("-perfmon,-sys_admin"), "-p " + root, "", "needs CAP_PERFMON (to attach them): root lacks that here"},
		{asNobody, "-p " + root, "", "needs CAP_BPF (to load BPF programs) and CAP_PERFMON (to attach them) and CAP_SYS_PTRACE (to read what processes map and hold): run memtrace as root"},
		{asNobody, "serve --listen 0 -p " + root, "", "needs CAP_BPF (to load BPF programs) and CAP_PERFMON (to attach them) and CAP_SYS_PTRACE (to read what processes map and hold): run memtrace as root"},
		{asNobody, "regions -p " + root, "", "of user 0: not permitted: it is another user's process: run memtrace as root, or with CAP_SYS_PTRACE"},
		{asNobody, fmt.Sprintf("regions -p %d", of.PID()), "", "PR_SET_DUMPABLE"},
		{"unshare -Ur ", "-p " + root, "", "needs the host's user namespace"},
		{"unshare -Ur ", "grow -p " + root, "", "needs the host's user namespace"},
		{"unshare -Ur ", "regions -p " + root, "", "memtrace is in a user namespace, and the process is not"},
		{hidden, "regions -p " + root, `"`, "process " + root + ": not permitted: /proc hides it (hidepid)"},
		{hidden, "regions -p 4194304", `"`, "process 4194304: no such process"},
	} {
		t.Run(tc.args+" "+tc.want, func(t *testing.T) {
			var stdout, stderr lockedBuffer
			cmd := exec.Command("sh", "-c", tc.prefix+binary+" "+tc.args+tc.suffix)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // its state has the code
			if code := cmd.ProcessState.ExitCode(); code != int(exitError) || stdout.String() != "" ||
				!strings.Contains(stderr.String(), tc.want) || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("ended with %d: %q, want %q", code, stderr.String(), tc.want)
			}
		})
	}
}

// refuses checks that each way to look at a process is refused for the reason.
func refuses(t *testing.T, pid int, want string) {
	t.Helper()
	for _, args := range [][]string{{"-p", strconv.Itoa(pid)}, {"grow", "-p", strconv.Itoa(pid)}, {"regions", "-p", strconv.Itoa(pid)}} {
		m := launchMemtrace(t, args...)
		if code := m.wait(); code != exitError || !strings.Contains(m.stderr.String(), want) || m.stdout.String() != "" {
			t.Errorf("memtrace %s: %d, %q, want %q", strings.Join(args, " "), code, m.stderr.String(), want)
		}
	}
}

// waitForState waits until the first thread of a process is in a state.
func waitForState(t *testing.T, pid int, state string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); processState(t, pid) != state; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is %s, not %s", pid, processState(t, pid), state)
		}
	}
}

// A zombie is named as one, with who has not collected it.
func TestZombieIsNamed(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(testprog.BuildProgram(t, "gcc", `
#include <stdio.h>
#include <unistd.h>
int main(void) {
	int child = fork();
	if (child == 0)
		_exit(3);
	printf("ready %d\n%d\n", getpid(), child);
	fflush(stdout);
	for (;;)
		pause();
}
`)))
	zombie, err := strconv.Atoi(p.Line())
	if err != nil {
		t.Fatal(err)
	}
	waitForState(t, zombie, "Z")
	refuses(t, zombie, fmt.Sprintf(") is a zombie: it has ended, and its parent (pid %d) has not collected it", p.PID()))
}

// A process whose first thread alone has ended is no zombie, though /proc calls it one.
func TestDeadFirstThreadIsNoZombie(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(testprog.BuildProgram(t, "gcc -pthread", `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *thread(void *arg) {
	for (;;)
		pause();
	return arg;
}
int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	printf("ready %d\n", getpid());
	fflush(stdout);
	pthread_exit(NULL);
}
`)))
	waitForState(t, p.PID(), "Z")
	refuses(t, p.PID(), "runs on in other threads, but its first thread has ended")
}

// A process that a debugger holds is named at the start, with the debugger.
func TestHeldIsNamed(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "busy")
	runtime.LockOSThread() // ptrace answers only to the thread that attached
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(p.PID()); err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceInterrupt(p.PID()); err != nil {
		t.Fatal(err)
	}
	waitForState(t, p.PID(), "t")
	m := startBuilt(t, testprog.Memtrace(t), "-p", strconv.Itoa(p.PID()))
	waitForText(t, m, fmt.Sprintf("(pid %d) is attached to process %d", os.Getpid(), p.PID()))
	waitForText(t, m, fmt.Sprintf("(pid %d) has stopped process %d (busy): nothing happens in it", os.Getpid(), p.PID()))
	waitForText(t, m, "tracing; Ctrl-C")
	if err := unix.PtraceDetach(p.PID()); err != nil {
		t.Fatal(err)
	}
	m.interrupt(exitOK)
}
