package main

import (
	_ "embed"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

//go:embed testdata/heap/store.c
var storeSource string

// paces are how much a process does in a second, and in a second of its own processor time.
type paces struct{ clock, own float64 }

// measured returns the paces of a program that counts what it does, over a time.
func measured(b *testing.B, p *testprog.Program, d time.Duration) paces {
	b.Helper()
	done := func() (n float64, at time.Time, used time.Duration) {
		p.Say("count")
		if _, err := fmt.Sscanf(p.Line(), "done %g", &n); err != nil {
			b.Fatal(err)
		}
		return n, time.Now(), testprog.ProcessorTime(b, p.PID())
	}
	n, at, used := done()
	time.Sleep(d)
	then, until, all := done()
	return paces{(then - n) / until.Sub(at).Seconds(), (then - n) / (all - used).Seconds()}
}

// BenchmarkHeapPace measures what looks at its heap leave of the pace of a program of two threads that does
// nothing but replace blocks, on all processors of a machine of two. Rounds with and without alternate.
func BenchmarkHeapPace(b *testing.B) {
	const rounds, length = 6, 20 * time.Second
	for _, blocks := range []int{10_000, 400_000, 4_000_000} {
		b.Run(fmt.Sprintf("blocks=%d", blocks), func(b *testing.B) {
			p := testprog.Command(b, exec.Command(testprog.BuildProgram(b, "gcc -O2 -g -pthread", storeSource), strconv.Itoa(blocks)))
			bare := []paces{measured(b, p, length)}
			var byClock, byOwn, noise []float64
			for i := range b.N * rounds {
				looks := launchMemtrace(b, "heap", "-p", strconv.Itoa(p.PID()), "-f", "json", "-d", (length - time.Second).String())
				looked := measured(b, p, length)
				if code := looks.wait(); code != exitOK {
					b.Fatalf("ended with %d: %s", code, looks.stderr.String())
				}
				bare = append(bare, measured(b, p, length))
				byClock = append(byClock, 2*looked.clock/(bare[i].clock+bare[i+1].clock))
				byOwn = append(byOwn, 2*looked.own/(bare[i].own+bare[i+1].own))
				if i > 0 {
					noise = append(noise, 2*bare[i].clock/(bare[i-1].clock+bare[i+1].clock))
				}
			}
			b.ReportMetric(testprog.Quartile(byClock, 2), "looked/bare")
			b.ReportMetric(testprog.Quartile(byOwn, 2), "by-processor-time")
			b.ReportMetric(testprog.Quartile(byOwn, 1), "first-quartile")
			b.ReportMetric(testprog.Quartile(byOwn, 3), "third-quartile")
			b.ReportMetric((testprog.Quartile(noise, 3)-testprog.Quartile(noise, 1))/2, "noise")
			b.ReportMetric(0, "ns/op")
		})
	}
}
