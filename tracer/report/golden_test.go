package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/name, or writes it there.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// render returns what a renderer writes.
func render(t *testing.T, f func(io.Writer, *Report) error, r *Report) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := f(&buf, r); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// asText is Text with opt as a renderer.
func asText(opt TextOptions) func(io.Writer, *Report) error {
	return func(w io.Writer, r *Report) error { return Text(w, r, opt) }
}

func TestGolden(t *testing.T) {
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", render(t, asText(TextOptions{}), r))
			golden(t, name+".folded", render(t, Folded, r))
			golden(t, name+".speedscope.json", render(t, Speedscope, r))
			golden(t, name+".json", render(t, JSON, r))
			prof, err := profile.ParseData(render(t, Pprof, r))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".pprof.txt", []byte(prof.String()))
		})
	}
}

func TestGoldenTextOptions(t *testing.T) {
	for name, opt := range map[string]TextOptions{
		"typical-color":   {Color: true},
		"typical-verbose": {Verbose: true},
		"typical-top":     {Top: 1, Frames: 2},
		"typical-narrow":  {Width: 1},
		"typical-broad":   {Width: 120},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", render(t, asText(opt), typical()))
		})
	}
	golden(t, "incomplete-color.txt", render(t, asText(TextOptions{Color: true}), incomplete()))
	golden(t, "whole-top.txt", render(t, asText(TextOptions{Top: 1}), whole()))
	golden(t, "mmap-verbose.txt", render(t, asText(TextOptions{Verbose: true}), mappings()))
}
