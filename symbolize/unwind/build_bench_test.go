package unwind

import (
	"os"
	"testing"
)

func BenchmarkBuildLibc(b *testing.B)   { benchmarkBuild(b, libcFiles) }
func BenchmarkBuildStdcxx(b *testing.B) { benchmarkBuild(b, stdcxxFiles) }
func BenchmarkBuildCrypto(b *testing.B) { benchmarkBuild(b, cryptoFiles) }
func BenchmarkBuildPython(b *testing.B) { benchmarkBuild(b, pythonFiles) }
func BenchmarkBuildNode(b *testing.B)   { benchmarkBuild(b, nodeFiles) }
func BenchmarkBuildLLVM(b *testing.B)   { benchmarkBuild(b, llvmFiles) }

// benchmarkBuild builds the table of the first of the files that exists.
func benchmarkBuild(b *testing.B, candidates []string) {
	path := systemFile(b, candidates)
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	var table *Table
	var stats Stats
	var d *Dictionary
	b.ReportAllocs()
	for b.Loop() {
		d = new(Dictionary)
		if table, stats, err = Build(f, info.Size(), d); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(stats.FDERows), "fde-rows")
	b.ReportMetric(float64(stats.TableRows), "rows")
	b.ReportMetric(float64(len(d.Rules())), "rules")
	b.ReportMetric(kilobytesPerMegabyte(b, path, table, d), "KB/MB")
}
