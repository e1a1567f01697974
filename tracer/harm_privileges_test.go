package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

// Where probes are attached one by one, kernels of 2025 and later ask for CAP_SYS_ADMIN, and
// memtrace says so.
func TestHarmSingleProbesNeedAdmin(t *testing.T) {
	const variable = "MEMTRACE_TEST_TRACE"
	if pid, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		tracer, err := Open(context.Background(), Config{PIDs: []int{pid}, older: probe.Older{SingleUprobes: true}})
		if err != nil {
			var missing *RequirementError
			fmt.Printf("typed %v: %v\n", errors.As(err, &missing), err)
			return
		}
		if err := tracer.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("attached")
		return
	}
	testprog.NeedRoot(t)
	dir, err := os.MkdirTemp("", "memtrace-open-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self := filepath.Join(dir, "test")
	text, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(self, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := testprog.Start(t, "ways")
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+strconv.Itoa(p.PID()))
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH, unix.CAP_CHECKPOINT_RESTORE},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	switch said := string(out); {
	case strings.HasPrefix(said, "attached"):
		t.Log("this kernel does not ask for it")
	case !strings.HasPrefix(said, "typed true:") || !strings.Contains(said, "CAP_SYS_ADMIN"):
		t.Errorf("without CAP_SYS_ADMIN: %s", said)
	}
}
