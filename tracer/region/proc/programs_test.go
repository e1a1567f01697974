package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/region"
	"memtrace/tracer/testsupport/testprog"

	"memtrace/tracer/process/procstatus"
)

// program is what a Debian program must show.
type program struct {
	start func(t *testing.T) *exec.Cmd
	// stacks: every thread has a stack of its own that is found.
	stacks bool
	// present are classes that must hold something.
	present []region.Class
}

var programs = map[string]program{
	"python3": {
		func(*testing.T) *exec.Cmd {
			return exec.Command("/usr/bin/python3", "-c", `
import mmap, threading, time
keep = bytearray(3 << 20)
shared = mmap.mmap(-1, 1 << 20)
shared[0] = 1
def work():
    held = [bytearray(1000) for _ in range(2000)]
    time.sleep(1000)
for _ in range(7):
    threading.Thread(target=work).start()
`)
		},
		true,
		[]region.Class{region.Text, region.Data, region.Brk, region.Arena, region.MallocMmap, region.Library, region.ThreadStack, region.MainStack, region.VDSO, region.Shared},
	},
	"node": {
		func(*testing.T) *exec.Cmd {
			return exec.Command("/usr/bin/node", "-e", "keep = Buffer.alloc(5 << 20, 1); setInterval(() => {}, 1e6)")
		},
		true,
		[]region.Class{region.Text, region.Data, region.Brk, region.Mmap, region.Library, region.ThreadStack, region.MainStack},
	},
	"nginx":    {startNginx, true, []region.Class{region.Text, region.Data, region.Brk, region.Library, region.MainStack}},
	"postgres": {startPostgres, true, []region.Class{region.Text, region.Brk, region.Library, region.Shared, region.MainStack}},
	"java": {
		func(*testing.T) *exec.Cmd {
			return exec.Command("/usr/lib/jvm/default-java/bin/rmiregistry", "0") // the only JVM program in the package that waits
		},
		true,
		[]region.Class{region.Text, region.Brk, region.Mmap, region.Library, region.ThreadStack, region.MainStack, region.Arena},
	},
}

// While a program is stopped, its resident sizes add up to those of smaps_rollup and its sizes
// to those of statm, to the byte.
func TestTotalsOfPrograms(t *testing.T) {
	testprog.Long(t)
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			cmd := program.start(t)
			need(t, cmd.Path)
			start(t, cmd)
			pid := cmd.Process.Pid
			settle(t, pid)
			stop(t, pid)
			p := open(t, pid)
			checkTotals(t, p)
			s := region.NewSampler(p, region.Config{})
			snap, err := s.Snapshot(began)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range program.present {
				if snap.Classes[c].Count == 0 {
					t.Errorf("no %s", c.Label())
				}
			}
			tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
			if err != nil {
				t.Fatal(err)
			}
			if n := snap.Classes[region.ThreadStack].Count; program.stacks && (n < len(tasks)-1 || snap.Unlocated > 0) {
				t.Errorf("%d stacks of %d threads, %d not found", n, len(tasks)-1, snap.Unlocated)
			}
			for c := range region.NumClasses {
				st := snap.Classes[c]
				t.Logf("%-16s %5d %12d %12d %12d", region.Class(c).Label(), st.Count, st.Virtual, st.Reserved, st.Resident)
			}
		})
	}
}

// checkTotals compares with the kernel's own sums. The kernel may take away or join pages even
// while a process is stopped, so there are three tries.
func checkTotals(t *testing.T, p *Process) {
	t.Helper()
	for try := 1; ; try++ {
		s := region.NewSampler(p, region.Config{})
		snap, err := s.Snapshot(began)
		if err != nil {
			t.Fatal(err)
		}
		rollup := rollupRSS(t, p.PID)
		virtual, _, data, err := p.Statm()
		if err != nil {
			t.Fatal(err)
		}
		status, err := p.file("status")
		if err != nil {
			t.Fatal(err)
		}
		kilobytes := func(name string) uint64 {
			n, err := strconv.ParseUint(procstatus.Status(status).Word(name), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
		if snap.Resident == rollup && snap.Virtual == virtual && snap.StatmVirtual == virtual &&
			data == kilobytes("VmData")+kilobytes("VmStk") {
			return
		}
		if try == 3 {
			t.Fatalf("resident %d, by smaps_rollup %d; virtual %d, by statm %d", snap.Resident, rollup, snap.Virtual, virtual)
		}
	}
}

func rollupRSS(t *testing.T, pid int) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("\nRss:"))
	kb, err := strconv.ParseUint(string(bytes.Fields(rest)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

func need(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		testprog.Missing(t, err.Error())
	}
}

// start runs a command until the test ends.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// PostgreSQL ends its children on SIGQUIT. Processes that ignore it are killed.
		_ = cmd.Process.Signal(unix.SIGCONT)
		_ = cmd.Process.Signal(unix.SIGQUIT)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		if cmd.Path != postgres() {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
		kill.Stop()
	})
}

// settle waits until a process has neither grown nor gained a thread for a while.
func settle(t *testing.T, pid int) {
	t.Helper()
	size := func() string {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			t.Fatal(err)
		}
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(string(statm), len(tasks))
	}
	last, since := size(), time.Now()
	for deadline := since.Add(time.Minute); time.Since(since) < 2*time.Second && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if now := size(); now != last {
			last, since = now, time.Now()
		}
	}
}

// stop stops all threads of a process.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		running := 0
		for _, path := range tasks {
			if text, err := os.ReadFile(path); err == nil && string(statFields(text)[0]) != "T" {
				running++
			}
		}
		if running == 0 {
			return
		}
	}
	t.Fatalf("process %d does not stop", pid)
}

func startNginx(t *testing.T) *exec.Cmd {
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
events {}
http { access_log off; server { listen unix:%[1]s/socket; }
client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e; }
`, dir)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return exec.Command("/usr/sbin/nginx", "-e", "stderr", "-c", path)
}

// postgres returns the path of the newest installed server.
func postgres() string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "/usr/lib/postgresql/bin/postgres"
	}
	return found[len(found)-1]
}

func startPostgres(t *testing.T) *exec.Cmd {
	need(t, postgres())
	dir, err := os.MkdirTemp("", "memtrace-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // it refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(filepath.Dir(postgres()), "initdb"), "-D", data, "--no-sync", "-A", "trust", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	cmd := exec.Command(postgres(), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "log_min_messages=fatal", "-c", "logging_collector=off")
	cmd.SysProcAttr, cmd.Dir = as, dir
	return cmd
}

// A process that cannot be inspected is refused with a reason.
func TestOpenRefuses(t *testing.T) {
	for pid, want := range map[int]string{
		1 << 30: "no such process",
		2:       "kernel thread",
	} {
		_, err := Open(pid)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("process %d: %v, want %s", pid, err, want)
		}
	}
	program := testprog.Grow(t, "arena")
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", program.PID()))
	if err != nil || len(tasks) != 2 {
		t.Fatal(tasks, err)
	}
	tid, _ := strconv.Atoi(tasks[1].Name())
	if _, err := Open(tid); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d is a thread of process %d", tid, program.PID())) {
		t.Errorf("a thread: %v", err)
	}
	zombie := testprog.Command(t, exec.Command("sh", "-c", "echo ready $$; true"))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := Open(zombie.PID())
		if err != nil && errors.Is(err, ErrExiting) && strings.Contains(err.Error(), "has ended") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a zombie: %v", err)
		}
	}
}
