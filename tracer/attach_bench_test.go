package tracer

import (
	"testing"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/process"
	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// BenchmarkWindow reports how much of memtrace's time it takes to attach probes to a busy
// process and remove them.
func BenchmarkWindow(b *testing.B) {
	testprog.NeedRoot(b)
	p := testprog.Start(b, "churn")
	options := Config{}.withDefaults().probeOptions()
	features, err := probe.FindFeatures(options)
	if err != nil {
		b.Fatal(err)
	}
	probes, err := probe.Load(features, options, new(probe.Attached))
	if err != nil {
		b.Fatal(err)
	}
	defer probes.Close()
	found, err := target.Find(p.PID())
	if err != nil {
		b.Fatal(err)
	}
	defer found.Close()
	p.Say("go")
	var attach, detach, own time.Duration
	n := 0
	for b.Loop() {
		before, start := process.OwnTime(), time.Now()
		var all probe.Links
		for _, o := range found.Objects {
			l, err := probes.Attach(p.PID(), o, probe.Whole)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, l...)
		}
		attached := time.Now()
		if err := all.Close(); err != nil {
			b.Fatal(err)
		}
		attach += attached.Sub(start)
		detach += time.Since(attached)
		own += process.OwnTime() - before
		n++
	}
	b.ReportMetric(float64(attach.Microseconds())/1e3/float64(n), "attach-ms")
	b.ReportMetric(float64(detach.Microseconds())/1e3/float64(n), "detach-ms")
	b.ReportMetric(float64(own.Microseconds())/1e3/float64(n), "processor-ms")
	p.Say("end")
}
