package vm

import (
	"math/rand/v2"
	"testing"

	"memtrace/tracer/event"
)

// BenchmarkLedgerApply applies one munmap and one mmap among the most regions a process has.
func BenchmarkLedgerApply(b *testing.B) {
	const n = 65_521
	r := rand.New(rand.NewPCG(1, 2))
	l := NewLedger()
	order := r.Perm(n)
	for i, page := range order {
		e := mmap(uint64(i), 2*uint64(page), 1, event.StackID(page%100))
		l.Apply(&e)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		page := 2 * uint64(order[i%n])
		u, m := munmap(n, page, 1), mmap(n, page, 1, stackA)
		l.Apply(&u)
		l.Apply(&m)
		i++
	}
}

// BenchmarkLedgerLate applies mappings that one of a hundred thousand late unmaps has already
// ended, by threads that go on.
func BenchmarkLedgerLate(b *testing.B) {
	const n = 100_003
	r := rand.New(rand.NewPCG(1, 2))
	l := NewLedger()
	for _, page := range r.Perm(n) {
		u := by(tid+uint32(page%7), munmap(n+uint64(page), 2*uint64(page), 1))
		l.ApplyLateUnmap(&u)
	}
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		e := by(tid+uint32(i%7), mmap(n, 2*(i%n), 1, stackA))
		l.Apply(&e)
		i++
	}
	if sum := l.Live(); sum.Blocks != 0 {
		b.Errorf("%v outstanding", sum)
	}
}
