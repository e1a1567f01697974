package symbolize

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	testprog.NeedTool(t, name)
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
	}
	return out
}

// compile builds a program or library from source text and returns its path.
func compile(t testing.TB, compiler, source, name string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, name+map[string]string{"gcc": ".c", "g++": ".cc", "rustc": ".rs"}[compiler])
	write(t, src, source)
	out := filepath.Join(dir, name)
	run(t, compiler, append([]string{"-o", out, src}, flags...)...)
	return out
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readSource(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// openModule opens a file without a process.
func openModule(t testing.TB, path string) (*Process, *module) {
	t.Helper()
	file, err := openHost(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{budget: elffile.NewBudget()}
	m := &module{entry: mapsEntry{path: path}, cache: make(map[uint64][]level), file: file, id: file.id}
	t.Cleanup(func() { m.close(p) })
	if !m.isELF(p) {
		t.Fatalf("%s: %v", path, p.problems)
	}
	return p, m
}

// start runs a program that prints a line when it is ready, and ends when its standard input
// ends.
func start(t testing.TB, path string, args ...string) *child {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir = t.TempDir() // some leave files behind
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, stdin: stdin, out: bufio.NewReader(stdout), pid: cmd.Process.Pid}
	t.Cleanup(c.stop)
	return c
}

type child struct {
	t       testing.TB
	cmd     *exec.Cmd
	pid     int
	stdin   io.WriteCloser
	out     *bufio.Reader
	stopped bool
}

// line waits for the next line that the program prints.
func (c *child) line() string {
	c.t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return s[:len(s)-1]
}

// next lets a program that waits for a line continue.
func (c *child) next() {
	if _, err := io.WriteString(c.stdin, "\n"); err != nil {
		c.t.Fatal(err)
	}
}

// stop ends the program and waits for it.
func (c *child) stop() {
	if !c.stopped {
		c.stopped = true
		c.stdin.Close()
		c.cmd.Process.Kill()
		c.cmd.Wait()
	}
}

func open(t testing.TB, pid int, opt Options) *Process {
	t.Helper()
	p, err := NewProcess(pid, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
