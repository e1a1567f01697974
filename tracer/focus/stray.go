package focus

import (
	"errors"
	"time"
)

// After an exec the probes are in the files that the new program maps, too, but at other addresses: they
// say nothing, and cost as much as if they did.

// strays counts how often probes are met at places that nobody asked for.
type strays struct {
	n     uint64
	since time.Time
	// much is how many times in a row it was too often. A batch that is taken away is met until it is
	// gone, for a moment.
	much int
}

const (
	strayTime = time.Second
	// strayRate is how many times as often as one place may be met, strayTimes how many times in a row.
	strayRate, strayTimes = 10, 3
)

// add takes the count so far, and reports whether the process seems to run another program.
func (s *strays) add(n uint64, rate float64, now time.Time) bool {
	took := now.Sub(s.since)
	if took < strayTime {
		return false
	}
	if float64(n-s.n) > strayRate*rate*took.Seconds() && !s.since.IsZero() {
		s.much++
	} else {
		s.much = 0
	}
	s.n, s.since = n, now
	return s.much >= strayTimes
}

// forgetAll takes all probes away. The places are looked for anew once something is wanted.
func (f *Focus) forgetAll() (err error) {
	for _, m := range f.order {
		err = errors.Join(err, f.forget(m))
	}
	f.modules, f.order = nil, nil
	f.strays = strays{} // what is met until the probes are gone says nothing of those that follow
	f.publish()
	return err
}
