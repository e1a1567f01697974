package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// loadAllocators are the libraries to preload, by allocator. musl's is linked in.
var loadAllocators = []struct{ name, preload string }{
	{"glibc", ""}, {"jemalloc", "libjemalloc.so.2"}, {"mimalloc", "libmimalloc.so.2"}, {"tcmalloc", "libtcmalloc_minimal.so.4"}, {"musl", ""},
}

// loadProgram is a running testdata/paces.c.
type loadProgram struct {
	*testprog.Program
	b *testing.B
}

func startLoad(b *testing.B, kind, allocator, preload string) loadProgram {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "paces.c"))
	if err != nil {
		b.Fatal(err)
	}
	compile := "gcc -O2 -g -fno-builtin -pthread"
	if allocator == "musl" {
		compile = "musl-gcc -O2 -g -fno-builtin -static"
		if _, err := exec.LookPath("musl-gcc"); err != nil {
			testprog.Missing(b, err.Error())
		}
	}
	cmd := exec.Command(testprog.BuildProgram(b, compile, string(text)), kind)
	if preload != "" {
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+preload)
	}
	p := loadProgram{testprog.Command(b, cmd), b}
	time.Sleep(time.Second)
	return p
}

// did is what a load has done so far.
type did struct {
	requests, leaked float64
	used             time.Duration
	at               time.Time
}

func (p loadProgram) did() (d did) {
	p.b.Helper()
	p.Say("count")
	if _, err := fmt.Sscanf(p.Line(), "done %g leaked %g", &d.requests, &d.leaked); err != nil {
		p.b.Fatal(err)
	}
	d.used, d.at = testprog.ProcessorTime(p.b, p.PID()), time.Now()
	return d
}

// traceFor traces a load for some time in the default mode.
func (p loadProgram) traceFor(d time.Duration, overhead float64) (r *report.Report, before, after did) {
	p.b.Helper()
	before = p.did()
	detach := startTrace(p.b, Config{PIDs: []int{p.PID()}, MaxOverhead: overhead}, func(t *Tracer) {
		after = p.did()
		r = t.Snapshot(SnapshotOptions{})[0]
	})
	time.Sleep(d)
	detach()
	return r, before, after
}

// BenchmarkBudget measures what windows leave of the pace of each load with each allocator, and
// what memtrace says that they cost: by processor time where threads are always busy, and by the
// clock where they are not. Rounds alternate.
func BenchmarkBudget(b *testing.B) {
	testprog.NeedRoot(b)
	for _, kind := range []string{"busy", "server", "burst", "timer"} {
		for _, a := range loadAllocators {
			b.Run(kind+"/"+a.name, func(b *testing.B) {
				p := startLoad(b, kind, a.name, a.preload)
				busy := kind == "busy" || kind == "server"
				rate := func(from, to did) float64 {
					if busy {
						return (to.requests - from.requests) / (to.used - from.used).Seconds()
					}
					return (to.requests - from.requests) / to.at.Sub(from.at).Seconds()
				}
				rest := func() float64 {
					from := p.did()
					time.Sleep(overheadTime)
					return rate(from, p.did())
				}
				bare := []float64{rest()}
				var pace, claimed []float64
				for range b.N * 3 {
					r, from, to := p.traceFor(2*overheadTime, 0.03)
					bare = append(bare, rest())
					pace = append(pace, 2*rate(from, to)/(bare[len(bare)-2]+bare[len(bare)-1]))
					if r.Sampling != nil {
						claimed = append(claimed, 100*r.Sampling.ProbesOverhead)
					}
				}
				b.ReportMetric(100*testprog.Quartile(pace, 2), "%pace")
				if len(claimed) > 0 {
					b.ReportMetric(testprog.Quartile(claimed, 2), "%claimed-lost")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkIntervals counts how many estimates of leaks hold the true rate, and how far off they
// are at most where the report calls them leaks: by work, by time, and in bursts.
func BenchmarkIntervals(b *testing.B) {
	testprog.NeedRoot(b)
	var made, held int
	var ratios []float64
	for range b.N {
		for _, kind := range []string{"work", "rounds", "clocked", "timer", "burst", "bursts"} {
			for _, a := range loadAllocators[:3] {
				p := startLoad(b, kind, a.name, a.preload)
				r, from, to := p.traceFor(20*time.Second, 0.03)
				p.Kill()
				truth := (to.leaked - from.leaked) / to.at.Sub(from.at).Seconds()
				for i := range r.Stacks {
					s := &r.Stacks[i]
					if s.Estimate == nil || !slices.ContainsFunc(s.Frames, func(f report.Frame) bool { return f.Function == "leak_here" }) {
						continue
					}
					bounds := s.Estimate.LeakBytesPerSecond
					made++
					if bounds.Low <= truth && truth <= bounds.High {
						held++
					}
					if s.Estimate.Suspect() {
						ratios = append(ratios, bounds.Value/truth)
					}
					b.Logf("%s, %s: %s, %.0f B/s are taken for %.0f [%.0f - %.0f]", kind, a.name, s.Estimate.Class, truth, bounds.Value, bounds.Low, bounds.High)
					break
				}
			}
		}
	}
	if len(ratios) > 0 {
		b.ReportMetric(float64(made), "intervals")
		b.ReportMetric(100*float64(held)/float64(made), "%hold")
		b.ReportMetric(slices.Min(ratios), "least-ratio")
		b.ReportMetric(slices.Max(ratios), "most-ratio")
	}
	b.ReportMetric(0, "ns/op")
}
