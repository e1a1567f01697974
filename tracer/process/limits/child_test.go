package limits

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// childVariable makes this test's program a process that takes memory as it is told to.
const childVariable = "MEMTRACE_LIMITS_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	testprog.Main(m)
}

// child obeys lines: "touch BYTES" maps private memory and writes to it, "cache BYTES PATH"
// writes a file. It answers "done", or "failed" if there is no memory.
func child() {
	debug.SetGCPercent(-1) // the runtime is to map nothing of its own
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready", os.Getpid())
	for in.Scan() {
		var n int
		var path string
		var err error
		if _, scanErr := fmt.Sscanf(in.Text(), "cache %d %s", &n, &path); scanErr == nil {
			err = writeFile(path, n)
		} else if _, err = fmt.Sscanf(in.Text(), "touch %d", &n); err == nil {
			err = touch(n)
		}
		if err != nil {
			fmt.Println("failed")
			continue
		}
		fmt.Println("done")
	}
}

// writeFile writes a file to the disk: pages that are not there yet are no cache to take back.
func writeFile(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	piece := make([]byte, 64<<10) // more of the heap would count as used, too
	for written := 0; written < n && err == nil; written += len(piece) {
		_, err = f.Write(piece)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

func touch(n int) error {
	memory, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	return err
}

func startChild(t *testing.T) *testprog.Program {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	return testprog.Command(t, cmd)
}

// says returns the child's answer to a line.
func says(p *testprog.Program, format string, args ...any) string {
	p.Say(fmt.Sprintf(format, args...))
	return p.Line()
}

// startDoomed returns a command for a child that is told one line, and has no other way to
// tell that it was killed than its exit.
func startDoomed(t *testing.T) (p *exec.Cmd, do func(line string) (signal syscall.Signal)) {
	t.Helper()
	p = exec.Command("/proc/self/exe")
	p.Env = append(os.Environ(), childVariable+"=1")
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p.Stdout = &out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_, _ = p.Process.Wait()
	})
	return p, func(line string) syscall.Signal {
		fmt.Fprintln(in, line)
		_ = in.Close()
		var exit *exec.ExitError
		if errors.As(p.Wait(), &exit) {
			return exit.Sys().(syscall.WaitStatus).Signal()
		}
		return 0
	}
}
