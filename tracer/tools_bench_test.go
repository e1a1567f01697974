package tracer

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"memtrace/tracer/testprog"
)

// toolTime is how long a program is measured under each tool: in the default mode
// there is a window every few seconds.
const toolTime = 20 * time.Second

// tool is a way to look for a leak: a command that the program is started by, or what
// is attached to it.
type tool struct {
	name   string
	wrap   []string
	attach attacher
}

// tools are memtrace and what people use else. Heaptrack is preloaded, valgrind runs
// the program on a processor of its own making.
func tools(b *testing.B) []tool {
	return []tool{
		{name: "untraced"},
		{name: "memtrace-default", attach: func(pid int) func() { return attachBudget(b, pid) }},
		{name: "memtrace-exact", attach: attachTracer(b)},
		{name: "heaptrack", wrap: []string{"heaptrack", "-o", filepath.Join(b.TempDir(), "heaptrack")}},
		{name: "valgrind", wrap: []string{"valgrind", "-q", "--leak-check=full", "--log-file=" + os.DevNull}},
	}
}

// conversation is a program that answers lines, among others of the tool that started it.
type conversation struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func (t *tool) start(b *testing.B, env []string, argv ...string) *conversation {
	b.Helper()
	argv = append(append([]string(nil), t.wrap...), argv...)
	if _, err := exec.LookPath(argv[0]); err != nil {
		b.Skipf("needs %s", argv[0])
	}
	c := &conversation{cmd: exec.Command(argv[0], argv[1:]...)}
	c.cmd.Env = append(os.Environ(), env...)
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	return c
}

// number waits for the line that begins with the word, and returns what follows.
func (c *conversation) number(b *testing.B, word string) (n float64) {
	b.Helper()
	for c.lines.Scan() {
		if _, err := fmt.Sscanf(c.lines.Text(), word+" %g", &n); err == nil {
			return n
		}
	}
	b.Fatalf("%v does not say %q", c.cmd.Args, word)
	return 0
}

func (c *conversation) say(b *testing.B, line string) {
	b.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		b.Fatal(err)
	}
}

// end lets the program end, and what the tool does then, which may take a while.
func (c *conversation) end() {
	_ = c.in.Close()
	for c.lines.Scan() {
	}
	_ = c.cmd.Wait()
}

// compareTools reports the rate that work does under each tool, and as a part of the
// untraced one.
func compareTools(b *testing.B, env []string, work func(*conversation) float64, argv ...string) {
	b.Helper()
	testprog.NeedRoot(b)
	for range b.N {
		var untraced float64
		for _, t := range tools(b) {
			c := t.start(b, env, argv...)
			pid := int(c.number(b, "ready"))
			detach := func() {}
			if t.attach != nil {
				detach = t.attach(pid)
			}
			rate := work(c)
			detach()
			c.end()
			if t.wrap == nil && t.attach == nil {
				untraced = rate
			}
			b.ReportMetric(rate, t.name+"/s")
			b.ReportMetric(rate/untraced, t.name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkToolsPython is of python3 parsing JSON, every object of which comes from
// malloc.
func BenchmarkToolsPython(b *testing.B) {
	compareTools(b, []string{"PYTHONMALLOC=malloc"}, func(c *conversation) (rate float64) {
		start, rounds := time.Now(), 0.0
		for time.Since(start) < toolTime {
			c.say(b, "go")
			rounds += c.number(b, "rounds")
		}
		return rounds / time.Since(start).Seconds()
	}, "/usr/bin/python3", "testdata/parse.py")
}

// BenchmarkToolsChurn is of two threads that allocate and free at 50 places and leak at
// five.
func BenchmarkToolsChurn(b *testing.B) {
	churn := testprog.Path(b, "churn")
	compareTools(b, nil, func(c *conversation) float64 {
		c.say(b, "go")
		time.Sleep(toolTime)
		c.say(b, "end")
		pairs := c.number(b, "pairs")
		return pairs / c.number(b, "milliseconds") * 1000
	}, churn)
}
