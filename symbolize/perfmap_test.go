package symbolize

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

func mkfifo(path string) error { return unix.Mkfifo(path, 0o644) }

const jitAddress = 0x7000_0000_1000

// jitProcess returns a process with an anonymous executable mapping and a test directory as
// its root.
func jitProcess(t *testing.T, uid string) (p *Process, path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "tmp/perf-7.map")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	p = &Process{root: root, status: procStatus{nsPID: "7", uid: uid}, budget: elffile.NewBudget()}
	p.live = []*region{{mapsEntry: mapsEntry{start: jitAddress, end: jitAddress + 0x10000}}}
	t.Cleanup(func() { p.perf.close() })
	return p, path
}

func owner() string { return fmt.Sprint(os.Getuid()) }

func TestPerfMap(t *testing.T) {
	p, path := jitProcess(t, owner())
	check := func(offset uint64, want string) {
		t.Helper()
		p.perf.checked = time.Time{}
		f := p.Resolve(jitAddress+offset, false)
		if len(f) != 1 || f[0].Function != want || f[0].Module != anonymousName {
			t.Errorf("at %#x: %+v, want %q", offset, f, want)
		}
	}
	check(0, "")
	write(t, path, fmt.Sprintf("%x 100 LazyCompile:~first /app/x.js:1\nrubbish\n%x zz bad\n0x%x 10 _ZN2ns4funcEi\n%x 20 cut sho",
		jitAddress, jitAddress, jitAddress+0x200, jitAddress+0x300))
	check(0xff, "LazyCompile:~first /app/x.js:1")
	check(0x100, "")
	check(0x208, "ns::func")
	check(0x300, "")

	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "rt\n%x 40 second\n%x 8 %s\n%x 8 after\n", jitAddress+0x80, jitAddress+0x400, strings.Repeat("n", 9000), jitAddress+0x408)
	f.Close()
	check(0x300, "cut short")
	check(0x80, "second")
	check(0x7f, "LazyCompile:~first /app/x.js:1")
	check(0x400, "")
	check(0x408, "after")

	// The file is replaced by another one.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, fmt.Sprintf("%x 100 anew\n", jitAddress))
	check(0x10, "anew")
	check(0x408, "")
	if p.problems != nil {
		t.Errorf("problems: %q", p.problems)
	}
}

func TestPerfMapRefused(t *testing.T) {
	line := fmt.Sprintf("%x 100 forged\n", jitAddress)
	for name, forge := range map[string]func(t *testing.T, path string){
		"symbolic link": func(t *testing.T, path string) {
			other := filepath.Join(filepath.Dir(path), "other")
			write(t, other, line)
			if err := os.Symlink("other", path); err != nil {
				t.Fatal(err)
			}
		},
		"link in the directory": func(t *testing.T, path string) {
			dir := filepath.Dir(path)
			write(t, filepath.Join(dir+"2", "perf-7.map"), line)
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("tmp2", dir); err != nil {
				t.Fatal(err)
			}
		},
		"hard link": func(t *testing.T, path string) {
			other := filepath.Join(filepath.Dir(path), "other")
			write(t, other, line)
			if err := os.Link(other, path); err != nil {
				t.Fatal(err)
			}
		},
		"FIFO": func(t *testing.T, path string) {
			if err := mkfifo(path); err != nil {
				t.Fatal(err)
			}
		},
		"older than the process": func(t *testing.T, path string) {
			write(t, path, line)
			old := time.Now().Add(-time.Minute)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		},
		"another user's": func(t *testing.T, path string) {
			testprog.NeedRoot(t)
			write(t, path, line)
			if err := os.Chown(path, 4711, 4711); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, path := jitProcess(t, owner())
			p.status.started = time.Now()
			forge(t, path)
			if f := p.Resolve(jitAddress, false); f[0].Function != "" {
				t.Errorf("Resolve took it: %+v", f)
			}
			if len(p.problems) != 1 {
				t.Errorf("problems: %q, want one", p.problems)
			}
		})
	}
}

// This is the map of a running JIT compiler, in the real /tmp.
func TestPerfMapOfNode(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.NeedTool(t, "node")
	child := start(t, "node", "--perf-basic-prof", "-e", `
		function hotFunction(n) { let s = 0; for (let i = 0; i < n; i++) s += i % 7; return s; }
		for (let i = 0; i < 2000; i++) hotFunction(2000);
		console.log("0 ready");
		process.stdin.on("data", () => {});`)
	path := fmt.Sprintf("/tmp/perf-%d.map", child.pid)
	t.Cleanup(func() { os.Remove(path) })
	child.line()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, child.pid, Options{})
	named := 0
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 2 && strings.Contains(fields[2], "hotFunction") {
			if got := function(p.Resolve(address(t, fields[0]), false)); strings.Contains(got, "hotFunction") {
				named++
			}
		}
	}
	if named == 0 {
		t.Errorf("no address of hotFunction resolves; problems %q", p.Problems())
	}
}

func TestProcessStart(t *testing.T) {
	before := time.Now()
	child := start(t, "/bin/cat")
	p := open(t, child.pid, Options{})
	// The kernel tells it in ticks of its own clock.
	if got := p.status.started; got.Before(before.Add(-time.Second)) || got.After(time.Now().Add(time.Second)) {
		t.Errorf("the child started %v after its parent called for it", got.Sub(before))
	}
	if p.status.uid != owner() || p.status.nsPID == "" {
		t.Errorf("status: %+v", p.status)
	}
}
