package region

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"memtrace/symbolize/procmaps"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// fake is a Source with what a test gives it.
type fake struct {
	maps    string
	facts   Facts
	stacks  []StackAddress
	lost    int                 // threads without a stack address
	memory  map[uint64][]uint64 // words by address
	present map[uint64]uint64   // bytes by start
	used    time.Duration
	cost    time.Duration // of each Maps
	err     error
	smaps   error
	reads   int
	scanned int
	virtual uint64 // of statm, or the sum of maps if 0
	rss     uint64 // of statm
	data    uint64 // of statm
}

func (f *fake) Facts() (Facts, error) { return f.facts, f.err }

func (f *fake) Maps(g func(*procmaps.Mapping)) error {
	f.used += f.cost
	f.scanned++
	var s procmaps.Scanner
	_, err := s.Scan(strings.NewReader(f.maps), g)
	return errors.Join(err, f.err)
}

func (f *fake) Smaps(g func(*procmaps.Mapping)) error {
	if f.smaps != nil {
		return f.smaps
	}
	return f.Maps(g)
}

func (f *fake) Statm() (virtual, resident, data uint64, err error) {
	virtual = f.virtual
	if virtual == 0 {
		var s procmaps.Scanner
		_, _ = s.Scan(strings.NewReader(f.maps), func(m *procmaps.Mapping) {
			if m.Path != "[vsyscall]" {
				virtual += m.Bytes()
			}
		})
	}
	return virtual, f.rss, f.data, f.err
}

func (f *fake) Stacks(dst []StackAddress) ([]StackAddress, int, error) {
	return append(dst, f.stacks...), f.lost, f.err
}

func (f *fake) Read(addr uint64, p []byte) bool {
	f.reads++
	words, ok := f.memory[addr]
	for i := 0; i < len(p); i += 8 {
		if i/8 < len(words) {
			binary.LittleEndian.PutUint64(p[i:], words[i/8])
		}
	}
	return ok
}

func (f *fake) Present(start, _ uint64) (uint64, uint64, bool) {
	n, ok := f.present[start]
	return n, n, ok
}

func (f *fake) Used() time.Duration { return f.used }

var began = time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)

// at returns the time this many seconds after began.
func at(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }

func poll(t testing.TB, s *Sampler, seconds float64) {
	t.Helper()
	if err := s.Poll(at(seconds)); err != nil {
		t.Fatal(err)
	}
}

func snapshot(t testing.TB, s *Sampler, seconds float64) *Snapshot {
	t.Helper()
	snap, err := s.Snapshot(at(seconds))
	if err != nil {
		t.Fatal(err)
	}
	return snap
}
