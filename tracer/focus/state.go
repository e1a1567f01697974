package focus

import (
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/report"
)

// count reads how often each place was met.
func (f *Focus) count() error {
	pid := uint32(f.cfg.Target.PID)
	return f.cfg.Kernel.EachReturn(func(r probe.Return, m probe.Met) {
		if s := f.probed[r.Addr]; s != nil && r.PID == pid {
			s.hits, s.lost = m.Hits, m.Lost
		}
	})
}

// publish says what was done so far.
func (f *Focus) publish() {
	s := report.HeapFocus{Unreadable: f.unread}
	for _, m := range f.order {
		s.Uncertain += m.doubtful
		s.Cut = s.Cut || m.cut
		for _, one := range m.sites {
			s.Places++
			s.Calls += one.hits
			s.Lost += one.lost
			switch one.state {
			case probed:
				s.Probed++
			case often, hot:
				s.TooOften++
				s.CallsTooOften += one.hits
			case refused:
				s.Refused++
			case idle:
				if one.known && !f.fits(one.asked) {
					s.OtherSizes++
				} else {
					s.NoRoom++
				}
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since.IsZero() {
		f.since = time.Now()
	}
	s.Seconds = time.Since(f.since).Seconds()
	f.state = &s
}
