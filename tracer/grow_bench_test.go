package tracer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

const (
	// growthRounds is how many times the untraced and the traced cost are measured.
	growthRounds = 25
	// windows is how many windows of time a measurement takes the first quartile of:
	// disturbance by other programs on a shared machine only adds cost.
	windows = 25
	span    = 40 * time.Millisecond
)

// alternate measures the cost of a process's unit of work in rounds. Each ratio is of a traced
// measurement to the mean of the untraced ones before and after it, so that drift does not
// count. It reports the medians. The function that measure returns tells the cost when all is
// over.
func alternate(b *testing.B, unit string, pid int, measure func() (cost func() float64)) {
	b.Helper()
	var bare, traced, ratios []float64
	for range b.N {
		costs := []func() float64{measure()}
		for range growthRounds {
			detach := startTrace(b, Config{PIDs: []int{pid}, GrowthOnly: true}, func(*Tracer) {})
			costs = append(costs, measure())
			detach()
			costs = append(costs, measure())
		}
		for i := 1; i < len(costs); i += 2 {
			before, with, after := costs[i-1](), costs[i](), costs[i+1]()
			bare, traced = append(bare, after), append(traced, with)
			ratios = append(ratios, 2*with/(before+after))
		}
	}
	b.ReportMetric(testprog.Quartile(bare, 2), "untraced-"+unit)
	b.ReportMetric(testprog.Quartile(traced, 2), "traced-"+unit)
	b.ReportMetric(testprog.Quartile(ratios, 2), "traced/untraced")
	b.ReportMetric(testprog.Quartile(ratios, 1), "first-quartile")
	b.ReportMetric(testprog.Quartile(ratios, 3), "third-quartile")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGrowBusy reports what a malloc and its free cost while the process is watched for
// growth.
func BenchmarkGrowBusy(b *testing.B) {
	testprog.NeedRoot(b)
	p := testprog.Start(b, "busy")
	p.Say("go")
	pairs := func() (n int64) {
		p.Say("count")
		if line := p.Line(); !strings.HasPrefix(line, "pairs ") {
			b.Fatalf("busy says %q", line)
		} else if _, err := fmt.Sscanf(line, "pairs %d", &n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	alternate(b, "ns/pair", p.PID(), func() func() float64 {
		var costs []float64
		for range windows {
			n, used := pairs(), p.ProcessorTime()
			time.Sleep(span)
			n, used = pairs()-n, p.ProcessorTime()-used
			costs = append(costs, float64(used.Nanoseconds())/float64(n))
		}
		return func() float64 { return testprog.Quartile(costs, 1) }
	})
	p.Kill()
}

// BenchmarkGrowPostgres reports the processor time that a PostgreSQL backend takes for a
// transaction of pgbench: a read-only one, and the one that writes.
func BenchmarkGrowPostgres(b *testing.B) {
	testprog.NeedRoot(b)
	server := startPostgres(b)
	for _, c := range []struct {
		name string
		args []string
	}{{"select", []string{"-S"}}, {"tpcb", nil}} {
		b.Run(c.name, func(b *testing.B) {
			load := server.pgbench(b, c.args...)
			alternate(b, "us/transaction", load.backend, load.cost)
		})
	}
}
