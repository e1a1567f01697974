package tracer

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"memtrace/bpf"
	"memtrace/tracer/book"
	"memtrace/tracer/event"
	"memtrace/tracer/process"
	"memtrace/tracer/stream"
)

// recordStream returns the records of a program that holds live blocks of random lifetimes,
// allocated by a hundred stacks: that many allocations, then n times the free of one and the
// allocation of another.
func recordStream(b *testing.B, live, n int) (fill, churn [][]byte) {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	encode := func(record any) []byte {
		var buf bytes.Buffer
		if err := binary.Write(&buf, binary.LittleEndian, record); err != nil {
			b.Fatal(err)
		}
		return buf.Bytes()
	}
	time := uint64(1)
	header := func(kind event.Kind) bpf.MemtraceEventHeader {
		time += 500
		return bpf.MemtraceEventHeader{Kind: uint8(kind), Tgid: 4242, Tid: 4242, Time: time}
	}
	next := uint64(0x7f0000000000)
	blocks := make([]uint64, live)
	alloc := func(slot int) []byte {
		next += 64
		blocks[slot] = next
		return encode(bpf.MemtraceEventLong{
			H: header(event.Alloc), Addr: next, Size: rng.Uint64N(512), Stack: 1 + rng.Uint64N(100),
		})
	}
	for slot := range blocks {
		fill = append(fill, alloc(slot))
	}
	for range n {
		slot := rng.IntN(live)
		churn = append(churn, encode(bpf.MemtraceEventShort{H: header(event.Free), Addr: blocks[slot]}))
		churn = append(churn, alloc(slot))
	}
	return fill, churn
}

// BenchmarkStream reports how many recorded events a second one core decodes and applies.
func BenchmarkStream(b *testing.B) {
	fill, churn := recordStream(b, 100_000, 500_000)
	for b.Loop() {
		b.StopTimer()
		known := book.New(book.Config{})
		to := &sink{Tracer: &Tracer{processes: process.NewGroup(process.Config{}, known, nil)}, Book: known}
		replay(b, to, fill)
		b.StartTimer()
		replay(b, to, churn)
	}
	b.ReportMetric(float64(b.N)*float64(len(churn))/b.Elapsed().Seconds()/1e6, "Mevents/s")
}

func replay(b *testing.B, to stream.Sink, records [][]byte) {
	b.Helper()
	var ev event.Event
	for _, raw := range records {
		if err := event.Decode(raw, &ev); err != nil {
			b.Fatal(err)
		}
		to.Apply(&ev)
	}
}
