package window

import "time"

// meter measures a phase that begins when the meter is made.
type meter struct {
	l        *Loop
	start    time.Time
	cpu, own time.Duration
	calls    Calls
}

func (l *Loop) meter() *meter {
	return &meter{l: l, start: time.Now(), cpu: l.book.ProcessorTime(), own: l.cfg.OwnTime(), calls: l.book.Calls()}
}

// read returns what was seen since the meter was made.
func (m *meter) read() phase {
	now, before := m.l.book.Calls(), &m.calls
	// The probes may take back a call that seemed lost (take_back in bpf/standing.h).
	lost := max(now.LostAllocs, before.LostAllocs) - before.LostAllocs
	p := phase{
		took:   time.Since(m.start),
		allocs: now.Allocs - before.Allocs + lost,
		frees:  now.Frees - before.Frees + now.Spilled - before.Spilled,
		own:    m.l.cfg.OwnTime() - m.own,
	}
	p.cpu = m.l.book.ProcessorTime() - m.cpu
	p.busy = float64(p.cpu) / float64(max(p.took, 1))
	if m.l.cfg.SomeSizes {
		// Allocations of other sizes meet the probes too, but are not reported.
		p.allocs = max(p.allocs, p.frees)
	}
	return p
}

// late returns the frees in the tail since the meter was made.
func (m *meter) late() uint64 { return m.l.book.Calls().Late - m.calls.Late }
