package focus

import (
	"cmp"
	"slices"
	"time"
)

// period is how long places are counted before the count begins anew.
const period = 10 * time.Second

// meter says which places are met too often.
type meter struct {
	// each and all are how often one place may be met in a period, and all together.
	each, all uint64
	began     time.Time
}

// These divide what tracing may cost. Focus has so little of it, beside windows, that the total stays
// within what their plan leaves for error.
const (
	focusShare = 0.1
	siteShare  = 0.25 // of that, for one place
)

// newMeter returns a meter for a part of the process's time that may be used, and what a probe costs.
func newMeter(maxOverhead float64, price time.Duration) meter {
	all := maxOverhead * focusShare * float64(period) / float64(max(price, time.Nanosecond))
	return meter{each: max(uint64(all*siteShare), 1), all: max(uint64(all), 1)}
}

// rate is how often one place may be met (times a second).
func (m *meter) rate() float64 { return float64(m.each) / period.Seconds() }

// judge returns the places that have been met too often in this period, those most often first. Each
// site's hits are up to date.
func (m *meter) judge(sites []*site, now time.Time) (hot []*site) {
	if m.began.IsZero() {
		m.began = now
	}
	var sum uint64
	list := slices.Clone(sites)
	for _, s := range list {
		sum += s.met()
	}
	slices.SortStableFunc(list, func(a, b *site) int { return cmp.Compare(b.met(), a.met()) })
	for _, s := range list {
		if s.met() <= m.each && sum <= m.all {
			break
		}
		sum -= s.met()
		hot = append(hot, s)
	}
	if now.Sub(m.began) >= period {
		m.began = now
		for _, s := range sites {
			s.base = s.hits
		}
	}
	return hot
}
