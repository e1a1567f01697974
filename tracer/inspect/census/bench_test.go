package census

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// benchmarked is a program with ten million blocks in 1 GB.
func benchmarked(b *testing.B) *Walker {
	p := testprog.Command(b, exec.Command(testprog.PathIn(b, "testdata", "large"), "10700000"))
	return open(b, p.PID())
}

func BenchmarkLook(b *testing.B) {
	w := benchmarked(b)
	var c *Census
	before := testprog.ProcessorTime(b, os.Getpid())
	for b.Loop() {
		c = w.mustLook(b)
	}
	b.ReportMetric((testprog.ProcessorTime(b, os.Getpid())-before).Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(c.Blocks.Len()), "blocks")
	b.ReportMetric(float64(c.Totals.InUse.Bytes)/1e6, "MB")
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "own-MB")
	b.ReportMetric(float64(m.Sys)/1e6, "sys-MB")
	runtime.KeepAlive(c)
}

func BenchmarkScan(b *testing.B) {
	w := benchmarked(b)
	c := w.mustLook(b)
	var bytes uint64
	before := testprog.ProcessorTime(b, os.Getpid())
	for b.Loop() {
		if err := w.Scan(c, func(_ int, _ uint64, content []byte) { bytes += uint64(len(content)) }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((testprog.ProcessorTime(b, os.Getpid())-before).Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(bytes)/float64(b.N)/1e6, "MB")
}

func BenchmarkNow(b *testing.B) {
	w := benchmarked(b)
	c := w.mustLook(b)
	rng := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		if _, ok := w.Now(c, c.Blocks.At(rng.IntN(c.Blocks.Len())).Addr); !ok {
			b.Fatal("a block is missing")
		}
	}
}
