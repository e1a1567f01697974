package changes

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"testing"

	"memtrace/tracer/report"
)

// FuzzLoad: no file makes the readers of JSON and profiles fail other than by an error, nor what
// compares them, nor any form of that.
func FuzzLoad(f *testing.F) {
	r := trace("aa11", 60, of(1000, 1, "make", "main"), of(5000, 1, "old", "main"))
	for _, form := range []string{"json", "pprof"} {
		text, err := os.ReadFile(written(f, form, r))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		if unpacked, err := unpack(bufio.NewReader(bytes.NewReader(text))); err == nil {
			if text, err = io.ReadAll(unpacked); err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte("heap profile: 1: 100 [2: 200] @ heapprofile\n 1: 100 [2: 200] @ 0x1 0x2\n\nMAPPED_LIBRARIES:\n1-5 r-xp 0 08:01 7 /srv/server\n"))
	other := record(r)
	f.Fuzz(func(_ *testing.T, text []byte) {
		for _, read := range []func(io.Reader) (*Side, error){fromJSON, fromProfile} {
			side, err := read(bytes.NewReader(text))
			if err != nil {
				continue
			}
			for _, d := range []*report.Diff{Of(side, other, Options{}), Of(other, side, Options{Top: 1})} {
				for _, form := range report.DiffForms {
					_ = form.Write(io.Discard, d, report.TextOptions{}) // it may be too much for a form
				}
			}
		}
	})
}
