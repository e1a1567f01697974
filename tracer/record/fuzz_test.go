package record

import (
	"bytes"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// FuzzRead: no file makes the reader fail other than by an error, nor any form of what it reads.
func FuzzRead(f *testing.F) {
	for _, n := range []int{1, 3} {
		w, path := create(f, LeastSize)
		for i := range 3 {
			r := synthetic(n, i)
			r.Growth = &report.Growth{FaultStacks: []report.FaultStack{{ID: "1", Frames: r.Stacks[0].Frames}}}
			if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{r}, i == 2); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Mark(began, "mark"); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(true); err != nil {
			f.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		raws, err := rawFrames(whole)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raws)
	}
	f.Fuzz(func(t *testing.T, raws []byte) {
		// The input is frames before they are compressed: checksums would stop all others.
		whole := head()
		for len(raws) >= 4 {
			n := min(int(raws[1])|int(raws[2])<<8|int(raws[3])<<16, len(raws)-4)
			kind := frameType(raws[0])
			whole = appendFrame(whole, kind, 0, began, compress(raws[4:4+n], nil))
			raws = raws[4+n:]
		}
		r, err := NewReader(bytes.NewReader(whole), int64(len(whole)))
		if err != nil {
			return
		}
		_ = r.Each(0, r.Len()-1, func(_ int, reports []*report.Report) error {
			for _, one := range reports {
				_ = report.Text(io.Discard, one, report.TextOptions{Show: report.Full})
				_ = report.JSON(io.Discard, one)
				_ = report.Folded(io.Discard, one)
				_ = report.Pprof(io.Discard, one)
			}
			return nil
		})
		if kept := keep(r.entries, 2); count(kept) > 0 {
			_, _, _ = thin(bytes.NewReader(whole), new(inMemory), r.entries, kept, 1<<20, new(atomic.Bool))
		}
	})
}

// rawFrames is the content of a record as FuzzRead takes it. Snapshots are keys, so that none needs
// the one before to be expanded.
func rawFrames(whole []byte) (raws []byte, err error) {
	entries, err := index(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		return nil, err
	}
	var known []byte
	d := newDecoder(ownColumns())
	for i := range entries {
		e := &entries[i]
		payload, err := e.payload(bytes.NewReader(whole))
		if err != nil {
			return nil, err
		}
		if e.kind != frameChanges {
			known = nil
		}
		raw := []byte{}
		if e.kind != frameEnd {
			if raw, err = expand(payload, known); err != nil {
				return nil, err
			}
		}
		if err := d.apply(&e.header, payload); err != nil {
			return nil, err
		}
		known = d.metas
		raws = append(append(raws, byte(e.kind), byte(len(raw)), byte(len(raw)>>8), byte(len(raw)>>16)), raw...)
	}
	return raws, nil
}

// inMemory is a file in memory.
type inMemory struct{ bytes []byte }

func (m *inMemory) WriteAt(b []byte, at int64) (int, error) {
	if need := int(at) + len(b); need > len(m.bytes) {
		m.bytes = append(m.bytes, make([]byte, need-len(m.bytes))...)
	}
	return copy(m.bytes[at:], b), nil
}
