package html

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"memtrace/tracer/report"
)

func BenchmarkWrite(b *testing.B) {
	r := many(20_000)
	for b.Loop() {
		if err := Form.Write(io.Discard, r, report.TextOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad is the median of the times that Chromium needs to show 20,000 stacks.
func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(b.TempDir(), "many.html")
	if err := os.WriteFile(path, render(b, many(20_000)), 0o644); err != nil {
		b.Fatal(err)
	}
	var all []float64
	for b.Loop() {
		out, err := exec.Command("node", "web/test/load.mjs", path, "3").Output()
		if err != nil {
			b.Fatal(err)
		}
		for line := range bytes.Lines(out) {
			var ms float64
			if _, err := fmt.Sscan(string(line), &ms); err != nil {
				b.Fatal(err)
			}
			all = append(all, ms)
		}
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2], "ms/load")
	b.ReportMetric(0, "ns/op")
}
