package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// heard is what hooks were told.
type heard struct {
	mu             sync.Mutex
	born, executed map[int]int
	byThread       int
	// run is what happened in a process although it was held.
	run []string
}

func (h *heard) hooks() Hooks {
	h.born, h.executed = make(map[int]int), make(map[int]int)
	return Hooks{
		Born: func(pid int) {
			state := stateOf(pid)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.born[pid]++
			if state != "t" {
				h.run = append(h.run, fmt.Sprintf("%d is in state %s", pid, state))
			}
		},
		Executed: func(pid int, byThread bool) {
			maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
			h.mu.Lock()
			defer h.mu.Unlock()
			h.executed[pid]++
			if byThread {
				h.byThread++
			}
			if !strings.Contains(string(maps), "libc.so") {
				h.run = append(h.run, fmt.Sprintf("%d has no libc yet", pid))
			}
		},
	}
}

func stateOf(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// followed runs a shell script that is followed to its end.
func followed(t *testing.T, script string, want int) *heard {
	t.Helper()
	h := new(heard)
	c := held(t, "sh", "-c", script)
	c.Follow(h.hooks())
	finish(t, c, want)
	c.Unfollow()
	for _, what := range h.run {
		t.Error(what)
	}
	return h
}

// Every process is held once at its birth, and once for each program.
func TestTreeHolds(t *testing.T) {
	output(t)
	h := followed(t, "for i in 1 2 3; do /bin/true; done; (/bin/true; exit 3); (exit 4) & wait; exit 7", 7)
	if len(h.born) != 6 || len(h.executed) != 4 {
		t.Errorf("born %v, executed %v", h.born, h.executed)
	}
	for pid, n := range h.born {
		if n != 1 || h.executed[pid] > 1 {
			t.Errorf("%d was born %d times and executed %d programs", pid, n, h.executed[pid])
		}
	}
}

// stops has a child that stops, and says what it learns of that as a shell with job control would.
const stops = `
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	int status;
	pid_t pid = fork();
	if (!pid) {
		raise(SIGSTOP);
		pause();
	}
	if (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP)
		puts("stopped");
	kill(pid, SIGCONT);
	if (waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status))
		puts("continued");
	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		puts("ended");
	return 0;
}
`

// Signals reach the processes as usual, stops included, and parents learn of them.
func TestTreeSignals(t *testing.T) {
	program := testprog.BuildProgram(t, "gcc", stops)
	read := output(t)
	followed(t, "trap 'echo usr1' USR1; kill -USR1 $$; "+program+"; sh -c 'kill -TERM $$'; echo $?; kill -KILL $$", 128+9)
	if got, want := read(), "usr1\nstopped\ncontinued\nended\n"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "143\n") {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// A command that is let go runs on without a tracer, and its status is still known.
func TestTreeLetsGo(t *testing.T) {
	read := output(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	stdin := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = stdin }()
	h := new(heard)
	c := held(t, "sh", "-c", `exec 3<&0; (/bin/true; read x <&3) & read x <&3; wait; grep TracerPid /proc/self/status; exit 5`)
	c.Follow(h.hooks())
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	for {
		h.mu.Lock()
		n := len(h.executed)
		h.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.Unfollow()
	fmt.Fprint(out, "\n\n")
	if got, err := c.Wait(); err != nil || got != 5 {
		t.Errorf("status %d, %v", got, err)
	}
	if got := read(); got != "TracerPid:\t0\n" {
		t.Errorf("wrote %q", got)
	}
}

// threads starts threads that fork, and that execute a program.
const threads = `
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
static void *forks(void *arg)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return arg;
}
static void *executes(void *arg) { execl("/bin/true", "true", NULL); return arg; }
int main(void)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, forks, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	pthread_create(&t[0], NULL, executes, NULL);
	pause();
}
`

func TestTreeFollowsThreads(t *testing.T) {
	output(t)
	program := testprog.BuildProgram(t, "gcc -pthread", threads)
	h := followed(t, program, 0)
	// A shell may execute its last command itself.
	if n := len(h.born); n != 20 && n != 21 || h.byThread != 1 {
		t.Errorf("%d were born, %d executed by a thread", n, h.byThread)
	}
}

// A process that runs is followed without being stopped, and let go. One that has a debugger is
// refused.
func TestSeize(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read x; /bin/true; read x; /bin/true; grep TracerPid /proc/self/status")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := new(heard)
	tree, err := Seize([]int{cmd.Process.Pid}, h.hooks())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Seize([]int{cmd.Process.Pid}, Hooks{}); !errors.Is(err, ErrDebugged) {
		t.Errorf("seized twice: %v", err)
	}
	fmt.Fprintln(in)
	for n := 0; n == 0; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		n = len(h.executed)
		h.mu.Unlock()
	}
	tree.Close()
	fmt.Fprintln(in)
	if err := cmd.Wait(); err != nil || out.String() != "TracerPid:\t0\n" {
		t.Errorf("%v, wrote %q", err, out.String())
	}
	if len(h.born) != 1 || len(h.executed) != 1 || len(h.run) > 0 {
		t.Errorf("born %v, executed %v, %v", h.born, h.executed, h.run)
	}
	if stateOf(cmd.Process.Pid) != "" {
		t.Error("it is still there")
	}
}

// A process whose hook takes too long runs on, and that is told with the end of the hook.
func TestTreeOverdue(t *testing.T) {
	testprog.Long(t)
	output(t)
	ended, overdue := make(chan struct{}), make(chan int, 2)
	c := held(t, "sh", "-c", "(exit 3); exit $?")
	c.Follow(Hooks{
		Born:     func(int) { <-ended },
		Executed: func(int, bool) {},
		Overdue: func(pid int, returned <-chan struct{}) {
			select {
			case <-returned:
				t.Error("the hook has returned already")
			default:
			}
			<-returned
			overdue <- pid
		},
	})
	finish(t, c, 3)
	close(ended)
	if pid := <-overdue; pid == c.PID() || len(overdue) > 0 {
		t.Errorf("process %d is overdue, and %d more", pid, len(overdue))
	}
	c.Unfollow()
}
