package limits

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/cgroup"
	"memtrace/tracer/testsupport/testprog"
)

const mib = 1 << 20

// hierarchy is one that has the memory controller.
type hierarchy struct {
	point   string
	version int
}

// memoryHierarchy returns where cgroups with the memory controller can be made. It mounts
// their file system if need be.
func memoryHierarchy(t *testing.T) hierarchy {
	t.Helper()
	testprog.NeedRoot(t)
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		testprog.Missing(t, "needs cgroups")
	}
	// That of v2 shows only once it is mounted.
	member, _ := cgroup.Memory(cgroup.Memberships(string(text)))
	version := 1
	if member.Hierarchy == cgroup.V2 {
		version = 2
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	h := hierarchy{version: version}
	for _, m := range cgroup.Mounts(string(mountinfo)) {
		if _, err := os.Stat(filepath.Join(m.Point, "cgroup.procs")); err == nil && m.Shows(member.Hierarchy) {
			h.point = m.Point
			break
		}
	}
	if h.point == "" {
		h.point = t.TempDir()
		kind, options := "cgroup2", ""
		if version == 1 {
			kind, options = "cgroup", "memory"
		}
		if err := unix.Mount("none", h.point, kind, 0, options); err != nil {
			testprog.Missing(t, "needs a mount of cgroups")
		}
		t.Cleanup(func() {
			if err := unix.Unmount(h.point, 0); err != nil {
				t.Error(err)
			}
		})
	}
	return h
}

// make makes a cgroup that can have others below it, and removes it after the test.
func (h *hierarchy) make(t *testing.T, path string) {
	t.Helper()
	dir := filepath.Join(h.point, path)
	if h.version == 2 {
		control := filepath.Join(filepath.Dir(dir), "cgroup.subtree_control")
		if err := os.WriteFile(control, []byte("+memory"), 0); err != nil {
			testprog.Missing(t, "needs the memory controller: "+err.Error())
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A process that has been waited for may take a moment to leave.
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			err := unix.Rmdir(dir)
			if err == nil {
				return
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
				t.Errorf("remove cgroup: %v", err)
				return
			}
		}
	})
}

func (h *hierarchy) set(t *testing.T, path, file string, value int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.point, path, file), []byte(strconv.Itoa(value)), 0); err != nil {
		t.Fatal(err)
	}
}

// TestRealCgroups reads back what was set, and then takes memory: a little less than the room
// that was read is to be had, although the cgroup is full of pages of a file.
func TestRealCgroups(t *testing.T) {
	h := memoryHierarchy(t)
	outer := fmt.Sprintf("memtrace limits %d", os.Getpid())
	inner := outer + "/in ner"
	h.make(t, outer)
	h.make(t, inner)
	h.set(t, outer, filesOf[h.version].max, 256*mib)
	h.set(t, inner, filesOf[h.version].max, 128*mib)
	if h.version == 2 {
		h.set(t, outer, "memory.high", 192*mib)
	}
	p := startChild(t)
	h.set(t, inner, "cgroup.procs", p.PID())
	const file, anonymous = 32 * mib, 40 * mib
	says(p, "touch %d", anonymous)
	says(p, "cache %d %s", file, filepath.Join(t.TempDir(), "file"))
	l, err := Read(p.PID(), 30)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("version %d: %+v", h.version, l)
	if len(l.Cgroups) < 2 || len(l.Unread) > 0 {
		t.Fatalf("cgroups %+v, unread %v", l.Cgroups, l.Unread)
	}
	in, out := &l.Cgroups[0], &l.Cgroups[1]
	if !strings.HasSuffix(in.Path, "/"+inner) || !strings.HasSuffix(out.Path, "/"+outer) {
		t.Errorf("paths %q and %q, want %q and %q", in.Path, out.Path, inner, outer)
	}
	if in.Max.Value != 128*mib || in.High.Set || out.Max.Value != 256*mib {
		t.Errorf("limits %+v and %+v", in, out)
	}
	if h.version == 2 && (out.High.Value != 192*mib || out.High.Used != out.Max.Used) {
		t.Errorf("high %+v", out.High)
	}
	// Files of a file system in memory are not cache.
	var st unix.Statfs_t
	onDisk := unix.Statfs(os.TempDir(), &st) == nil && st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC
	if onDisk && in.Cache < file/2 {
		t.Errorf("cache %d, want some %d", in.Cache, file)
	}
	for _, c := range []*Cgroup{in, out} {
		if used := c.Max.Used; onDisk && (used < anonymous || used > anonymous+16*mib) {
			t.Errorf("used %d, want some %d", used, anonymous)
		}
	}
	if l.Machine.SwapFree > 0 {
		return // what is to be had would go to swap
	}
	if got := says(p, "touch %d", in.Max.Room()-12*mib); got != "done" {
		t.Errorf("12 MiB less than the room: %s", got)
	}
	if l, err = Read(p.PID(), 30); err != nil || l.Cgroups[0].Max.Room() > 20*mib {
		t.Errorf("after most was used: %+v, %v", l, err)
	}
}

// TestOverdraw takes more memory than there is room for, which gets the process killed. It is
// not for the kernels in qemu, where nothing may show in the kernel's log.
func TestOverdraw(t *testing.T) {
	h := memoryHierarchy(t)
	cgroup := fmt.Sprintf("memtrace overdraw %d", os.Getpid())
	h.make(t, cgroup)
	h.set(t, cgroup, filesOf[h.version].max, 64*mib)
	doomed, do := startDoomed(t)
	h.set(t, cgroup, "cgroup.procs", doomed.Process.Pid)
	l, err := Read(doomed.Process.Pid, 30)
	if err != nil || len(l.Cgroups) == 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	if l.Machine.SwapFree > 0 {
		testprog.Missing(t, "needs a machine that does not swap")
	}
	if signal := do(fmt.Sprintf("touch %d", l.Cgroups[0].Max.Room()+4*mib)); signal != syscall.SIGKILL {
		t.Errorf("4 MiB more than the room: signal %v, want killed", signal)
	}
}

// TestRealResources: less than the room that was read can be mapped, and more cannot.
func TestRealResources(t *testing.T) {
	for name, test := range map[string]struct {
		resource int
		limit    func(*Limits) Limit
	}{
		"addresses": {unix.RLIMIT_AS, func(l *Limits) Limit { return l.AddressSpace }},
		"data":      {unix.RLIMIT_DATA, func(l *Limits) Limit { return l.Data }},
	} {
		t.Run(name, func(t *testing.T) {
			p := startChild(t)
			read := func() Limit {
				l, err := Read(p.PID(), 30)
				if err != nil {
					t.Fatal(err)
				}
				return test.limit(l)
			}
			set := func(n uint64) {
				if err := unix.Prlimit(p.PID(), test.resource, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if l := read(); l.Set {
				t.Fatalf("limit before there is one: %+v", l)
			}
			set(1 << 40) // what is used shows only where there is a limit
			set(read().Used + 128*mib)
			l := read()
			if l.Value != l.Used+128*mib {
				t.Errorf("limit %+v, want 128 MiB more than is used", l)
			}
			if got := says(p, "touch %d", l.Room()+16*mib); got != "failed" {
				t.Errorf("16 MiB more than the room: %s", got)
			}
			if got := says(p, "touch %d", l.Room()-16*mib); got != "done" {
				t.Errorf("16 MiB less than the room: %s", got)
			}
		})
	}
}

// TestRealMachine holds what is read of the machine against sysinfo(2).
func TestRealMachine(t *testing.T) {
	l, err := Read(os.Getpid(), 30)
	if err != nil {
		t.Fatal(err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	m := &l.Machine
	if m.Total != info.Totalram*uint64(info.Unit) || m.Available == 0 || m.Available > m.Total {
		t.Errorf("memory %+v, want %d in all", m, info.Totalram)
	}
	if l.Mappings.Used != 30 || l.Mappings.Value < 1000 {
		t.Errorf("mappings %+v", l.Mappings)
	}
	if _, err := Read(1<<30, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no process: %v", err)
	}
}
