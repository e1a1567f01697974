package main

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// What no probe can observe is refused, not reported as nothing.
func TestHarmUnprobed(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct{ how, says string }{
		{"writable", "mapped writable"},
		{"copied", "not mapped from the file"},
		{"huge", "no allocator found"},
	} {
		for mode, args := range map[string][]string{"exact": {"--exact"}, "windows": budget} {
			t.Run(tc.how+"/"+mode, func(t *testing.T) {
				p := testprog.Command(t, exec.Command(harmProgram(t, "text"), tc.how))
				m := launchMemtrace(t, append(args, "-d", "1s", "-p", strconv.Itoa(p.PID()))...)
				code, said := m.wait(), m.stderr.String()
				if code != exitError || !strings.Contains(said, tc.says) || strings.Count(said, "\n") != 1 {
					t.Errorf("memtrace ended with %d: %q, want one line that says %q", code, said, tc.says)
				}
				if code := codeAt(t, p.PID(), entryOf(t, p.PID())); code == breakpointCode {
					t.Error("a probe is left where the program begins")
				}
				leak(p, 3)
			})
		}
	}
}

// Code that was written to but equals the file is probed.
func TestHarmWrittenCode(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "written"))
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	leak(p, 97)
	wantLeak(t, m.stop(), 97)
}

// If some functions are out of reach, the report says which.
func TestHarmPartlyUnprobed(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "partly"))
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	leak(p, 97)
	wantUnprobed(t, m.stop(), "mapped writable")
}

// Probes may be removed while memtrace traces, for example by a debugger that restores the
// code from before they came. memtrace notices and puts them back.
func TestHarmProbesTakenAway(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := testprog.Command(t, exec.Command(harmProgram(t, "text"), "plain"))
	at, file := libcFunction(t, p.PID(), "malloc")
	m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	leak(p, 5)
	if codeAt(t, p.PID(), at) != breakpointCode {
		testprog.Missing(t, "malloc is not probed at its entry here")
	}
	writeCode(t, p.PID(), at, file)
	leak(p, 7)
	waitFor(t, m, "back in place")
	leak(p, 89)
	r := m.stop()
	wantUnprobed(t, r, "malloc", "taken away")
	if got := leaked(r); got != 89 {
		t.Errorf("%d blocks outstanding, want the 89 that came when all probes were back", got)
	}
	if codeAt(t, p.PID(), at) != file {
		t.Error("a probe is left")
	}

	// The trace ends before the next check.
	m = startMemtrace(t, "-p", strconv.Itoa(p.PID()))
	writeCode(t, p.PID(), at, file)
	leak(p, 7)
	wantUnprobed(t, m.stop(), "malloc", "taken away")
}

// On overlayfs, touching a file makes it another file, while processes that mapped it keep the
// old one.
func TestHarmOverlay(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for mode, args := range map[string][]string{"exact": nil, "windows": {"--max-overhead", "0.1"}} {
		t.Run(mode, func(t *testing.T) {
			o := mountOverlay(t)
			p := o.start(t)
			o.change(t)
			m := startMemtrace(t, append(args, "-p", strconv.Itoa(p.PID()))...)
			if mode == "windows" {
				waitForWindows(t, m, p)
				return
			}
			leak(p, 97)
			wantLeak(t, m.stop(), 97)
		})
	}
	t.Run("exec", func(t *testing.T) {
		o := mountOverlay(t)
		p := o.start(t)
		m := startMemtrace(t, "-p", strconv.Itoa(p.PID()))
		leak(p, 3)
		o.change(t)
		p.Say("exec")
		p.Line()
		waitFor(t, m, "traced from now on")
		leak(p, 89)
		if got := leaked(m.stop()); got != 89 {
			t.Errorf("%d blocks outstanding, want the 89 of the new program", got)
		}
	})
	// No path leads to the layers.
	t.Run("hidden", func(t *testing.T) {
		o := mountOverlay(t)
		p := o.start(t)
		o.change(t)
		if err := unix.Unmount(o.layers, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		m := launchMemtrace(t, "--exact", "-d", "1s", "-p", strconv.Itoa(p.PID()))
		if code, said := m.wait(), m.stderr.String(); code != exitError || !strings.Contains(said, "no probe reaches malloc") {
			t.Errorf("memtrace ended with %d: %q", code, said)
		}
	})
}

// overlayMount is an overlay with a libc in its lower layer.
type overlayMount struct{ layers, dir string }

// mountOverlay mounts an overlay until the end of the test.
func mountOverlay(t *testing.T) *overlayMount {
	t.Helper()
	o := &overlayMount{layers: t.TempDir(), dir: t.TempDir()}
	mount := func(kind, at, options string) {
		if err := unix.Mount(kind, at, kind, 0, options); err != nil {
			t.Fatalf("mount %s: %v", kind, err)
		}
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	}
	mount("tmpfs", o.layers, "")
	for _, dir := range []string{"empty", "low:er, 1", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(o.layers, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, libcPath(t), filepath.Join(o.layers, "low:er, 1", "libc.so.6"))
	mount("overlay", o.dir, fmt.Sprintf(`lowerdir=%s/empty:%s/low\:er\, 1,upperdir=%s/upper,workdir=%s/work`,
		o.layers, o.layers, o.layers, o.layers))
	return o
}

// start runs a program with the overlay's libc.
func (o *overlayMount) start(t *testing.T) *testprog.Program {
	t.Helper()
	cmd := exec.Command(harmProgram(t, "text"), "plain")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+o.dir)
	return testprog.Command(t, cmd)
}

// change makes overlayfs copy the libc to the upper layer.
func (o *overlayMount) change(t *testing.T) {
	t.Helper()
	now := time.Now()
	if err := os.Chtimes(filepath.Join(o.dir, "libc.so.6"), now, now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(o.layers, "upper", "libc.so.6")); err != nil {
		t.Fatalf("nothing was copied: %v", err)
	}
}

// waitForWindows makes a program allocate until a report shows windows.
func waitForWindows(t *testing.T, m *traceRun, p *testprog.Program) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(m.stderr.String(), "windows of time") && time.Now().Before(deadline); {
		leak(p, 1000)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		leak(p, 1000)
	}
	r := m.stop()
	if r.Sampling == nil || r.Sampling.Windows == 0 || len(r.Unprobed) > 0 || !r.Complete || r.StacksTotal == 0 {
		t.Errorf("sampling %+v, %d stacks, complete %v, %q", r.Sampling, r.StacksTotal, r.Complete, r.Unprobed)
	}
}

func leak(p *testprog.Program, n int) {
	p.Say(fmt.Sprintf("leak %d", n))
	p.Line()
}

// leaked returns how many blocks of leak are outstanding.
func leaked(r *report.Report) (n uint64) {
	for _, s := range r.Stacks {
		if s.Kind == report.Heap {
			n += s.Blocks
		}
	}
	return n
}

func wantLeak(t *testing.T, r *report.Report, want uint64) {
	t.Helper()
	if got := leaked(r); got != want || !r.Complete {
		t.Errorf("%d blocks outstanding, complete %v, %q; want %d, and all", got, r.Complete, r.Unprobed, want)
	}
}

// wantUnprobed fails the test unless the report says that it is incomplete, and why.
func wantUnprobed(t *testing.T, r *report.Report, why ...string) {
	t.Helper()
	said := strings.Join(r.Unprobed, "\n")
	for _, w := range why {
		if r.Complete || !strings.Contains(said, w) {
			t.Errorf("complete %v, %q: want no, and %q", r.Complete, said, w)
		}
	}
}

const breakpointCode = 0xcc

func codeAt(t *testing.T, pid int, addr uint64) byte {
	t.Helper()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	var code [1]byte
	if _, err := memory.ReadAt(code[:], int64(addr)); err != nil {
		t.Fatal(err)
	}
	return code[0]
}

// writeCode writes to the code of a process as debuggers do.
func writeCode(t *testing.T, pid int, addr uint64, code byte) {
	t.Helper()
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	if _, err := memory.WriteAt([]byte{code}, int64(addr)); err != nil {
		t.Fatal(err)
	}
}

// entryOf returns the entry address of a process's program.
func entryOf(t *testing.T, pid int) uint64 {
	t.Helper()
	const entry = 9 // AT_ENTRY, include/uapi/linux/auxvec.h
	vector, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		t.Fatal(err)
	}
	for ; len(vector) >= 16; vector = vector[16:] {
		if binary.LittleEndian.Uint64(vector) == entry {
			return binary.LittleEndian.Uint64(vector[8:])
		}
	}
	t.Fatal("the program's beginning is not known")
	return 0
}

// libcPath returns the path of libc's file itself, as maps shows it.
func libcPath(t *testing.T) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(testprog.Library(t, "libc.so.6"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// libcFunction returns the address of a libc function in a process, and the function's first
// byte in the file.
func libcFunction(t *testing.T, pid int, name string) (addr uint64, first byte) {
	t.Helper()
	path := libcPath(t)
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var base uint64
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, path) {
			scanLine(t, line, "%x-", &base)
			break
		}
	}
	for _, s := range symbols {
		if s.Name != name {
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				var code [1]byte
				if _, err := p.ReadAt(code[:], int64(s.Value-p.Vaddr)); err != nil {
					t.Fatal(err)
				}
				return base + s.Value, code[0]
			}
		}
	}
	t.Fatalf("%s has no %s", path, name)
	return 0, 0
}
