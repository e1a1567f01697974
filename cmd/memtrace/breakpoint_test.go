package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"memtrace/tracer/testsupport/testprog"
)

// Between windows no allocation function has a probe. Even then the kernel looks for a uprobe
// at a breakpoint that the process hits: a probe may have been there when the thread hit it.
func TestBreakpointsBetweenWindows(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	if runtime.GOARCH != "amd64" {
		testprog.Missing(t, "the number of a trap is one of x86-64")
	}
	// Use a libc of our own: uprobes that others have in a libc, or that the kernel has not
	// freed yet, count for everyone who maps it.
	cmd := exec.Command(testprog.Path(t, "breakpoint"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+copyOfLibc(t))
	p := testprog.Command(t, cmd)
	p.Say("go")
	m := startMemtrace(t, append(budget, "-p", strconv.Itoa(p.PID()))...)
	trap := func() (n int64) {
		p.Say("breakpoint")
		scanLine(t, p.Line(), "trap %d", &n)
		return n
	}
	const looks = 200
	var unknown int
	for range looks {
		time.Sleep(20 * time.Millisecond)
		if trap() != 0 {
			unknown++
		}
	}
	if unknown > 0 {
		t.Errorf("at %d of %d breakpoints the kernel held that the process has no uprobe", unknown, looks)
	}
	if r := m.stop(); r.Sampling == nil || r.Sampling.Windows == 0 {
		t.Errorf("sampling %+v", r.Sampling)
	}
	// After the trace the process has no uprobe and nothing is left behind. The kernel frees
	// uprobes some time after they are gone; a breakpoint shows when it has.
	var n int64
	for deadline := time.Now().Add(time.Minute); n != 3 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		n = trap()
	}
	if n != 3 {
		t.Errorf("trap %d a minute after the trace, want 3", n)
	}
}

// One probe keeps the kernel from forgetting that the process has uprobes. When memtrace is
// killed, the kernel removes that probe last.
func TestKilled(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Start(t, "busy")
	p.Say("go")
	others := uprobeLinks(t)
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command(testprog.Memtrace(t), "--exact", "-p", strconv.Itoa(p.PID()), "--ready-file", ready)
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	waitForFile(t, ready, &stderr)
	links := uprobeLinks(t)
	maps.DeleteFunc(links, func(id link.ID, _ string) bool { return others[id] != "" })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var order []string
	for deadline := time.Now().Add(time.Minute); len(links) > 0; time.Sleep(time.Millisecond) {
		there := linkIDs(t)
		for id, name := range links {
			if !there[id] {
				order = append(order, name)
				delete(links, id)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v are still there after a minute", links)
		}
	}
	_ = cmd.Wait() // it was killed
	if len(order) < 3 || order[len(order)-1] != "anchor" {
		t.Errorf("probes went in the order of %v", order)
	}
}

// uprobeLinks returns the uprobe links on this machine with the names of their programs.
func uprobeLinks(t *testing.T) map[link.ID]string {
	t.Helper()
	names := make(map[link.ID]string)
	var all link.Iterator
	defer all.Close()
	for all.Next() {
		info, err := all.Link.Info()
		if err != nil || info.Type != link.UprobeMultiType && info.Type != link.PerfEventType {
			continue
		}
		program, err := ebpf.NewProgramFromID(info.Program)
		if err != nil {
			continue
		}
		if about, err := program.Info(); err == nil {
			names[all.ID] = about.Name
		}
		_ = program.Close()
	}
	if err := all.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// linkIDs returns the IDs of the links on this machine without opening any link.
func linkIDs(t *testing.T) map[link.ID]bool {
	t.Helper()
	const getNextID = 31 // BPF_LINK_GET_NEXT_ID
	ids := make(map[link.ID]bool)
	var attr struct{ start, next, flags uint32 }
	for {
		_, _, errno := unix.Syscall(unix.SYS_BPF, getNextID, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if errno == unix.ENOENT {
			return ids
		}
		if errno != 0 {
			t.Fatal(errno)
		}
		ids[link.ID(attr.next)] = true
		attr.start = attr.next
	}
}
