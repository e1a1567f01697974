package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

const (
	// toolTime is how long a program is measured under each tool. In the default mode there is
	// a window every few seconds.
	toolTime = 20 * time.Second
	// toolRounds is how many times each tool is measured.
	toolRounds = 3
)

// tool is a way to look for a leak: a command that the program is started by, or something
// that is attached to it.
type tool struct {
	name   string
	wrap   []string
	attach attacher
}

// tools are memtrace and what people use otherwise. Heaptrack is preloaded. Valgrind runs the
// program on a simulated processor.
func tools(b *testing.B) []tool {
	none := func(int) func() { return func() {} }
	return []tool{
		{name: "untraced", attach: none},
		{name: "memtrace-default", attach: func(pid int) func() { return attachBudget(b, pid) }},
		{name: "memtrace-exact", attach: attachTracer(b)},
		{name: "heaptrack", wrap: []string{"heaptrack", "-o", filepath.Join(b.TempDir(), "heaptrack")}, attach: none},
		{name: "valgrind", wrap: []string{"valgrind", "-q", "--leak-check=full", "--log-file=" + os.DevNull}, attach: none},
	}
}

// start starts a program under the tool.
func (t *tool) start(b *testing.B, env []string, argv ...string) *testprog.Program {
	b.Helper()
	argv = append(slices.Clone(t.wrap), argv...)
	if _, err := exec.LookPath(argv[0]); err != nil {
		testprog.Missing(b, fmt.Sprintf("needs %s", argv[0]))
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if t.wrap != nil {
		return testprog.CommandUnder(b, cmd)
	}
	return testprog.Command(b, cmd)
}

// number reads a line that consists of the word and a number.
func number(b *testing.B, p *testprog.Program, word string) (n float64) {
	b.Helper()
	line := p.Line()
	if _, err := fmt.Sscanf(line, word+" %g", &n); err != nil {
		b.Fatalf("the program says %q: %v", line, err)
	}
	return n
}

// compareTools reports the rate that work achieves under each tool, also as a part of the
// untraced rate of the same round. It takes medians of some rounds, because machines are
// shared.
func compareTools(b *testing.B, env []string, work func(*testprog.Program) float64, argv ...string) {
	b.Helper()
	testprog.NeedRoot(b)
	rates, ratios := make(map[string][]float64), make(map[string][]float64)
	for range b.N * toolRounds {
		var untraced float64
		for _, t := range tools(b) {
			p := t.start(b, env, argv...)
			detach := t.attach(p.PID())
			rate := work(p)
			detach()
			p.End()
			if untraced == 0 {
				untraced = rate // the first
			}
			rates[t.name] = append(rates[t.name], rate)
			ratios[t.name] = append(ratios[t.name], rate/untraced)
		}
	}
	for name := range rates {
		b.ReportMetric(testprog.Quartile(rates[name], 2), name+"/s")
		b.ReportMetric(testprog.Quartile(ratios[name], 2), name)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkToolsPython runs python3 parsing JSON. Every object of it comes from malloc.
func BenchmarkToolsPython(b *testing.B) {
	compareTools(b, []string{"PYTHONMALLOC=malloc"}, func(p *testprog.Program) (rate float64) {
		start, rounds := time.Now(), 0.0
		for time.Since(start) < toolTime {
			p.Say("go")
			rounds += number(b, p, "rounds")
		}
		return rounds / time.Since(start).Seconds()
	}, "/usr/bin/python3", "testdata/parse.py")
}

// BenchmarkToolsChurn runs two threads that allocate and free at 50 places and leak at five.
func BenchmarkToolsChurn(b *testing.B) {
	churn := testprog.Path(b, "churn")
	compareTools(b, nil, func(p *testprog.Program) float64 {
		p.Say("go")
		time.Sleep(toolTime)
		p.Say("end")
		pairs := number(b, p, "pairs")
		return pairs / number(b, p, "milliseconds") * 1000
	}, churn)
}
