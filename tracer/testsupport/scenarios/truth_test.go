package scenarios

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

// amount is bytes that were asked for, and what the allocator took for them.
type amount struct{ asked, taken float64 }

func (a amount) plus(b amount) amount  { return amount{a.asked + b.asked, a.taken + b.taken} }
func (a amount) minus(b amount) amount { return amount{a.asked - b.asked, a.taken - b.taken} }
func (a amount) times(f float64) amount {
	return amount{a.asked * f, a.taken * f}
}

// sample is what had leaked at a moment.
type sample struct {
	at time.Time
	amount
}

// series is what processes say has leaked, by process id, in the order of time.
type series map[int][]sample

// readTruth reads the file that programs append their own account to.
func readTruth(path string) (series, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all := make(series)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var ns int64
		var pid int
		var s sample
		if _, err := fmt.Sscan(lines.Text(), &ns, &pid, &s.asked, &s.taken); err != nil {
			return nil, fmt.Errorf("truth %q: %w", lines.Text(), err)
		}
		s.at = time.Unix(0, ns)
		all[pid] = append(all[pid], s)
	}
	return all, nil
}

// of returns the series of one process.
func (s series) of(pid int) series { return series{pid: s[pid]} }

// between returns what leaked between two moments.
func (s series) between(from, to time.Time) amount {
	var sum amount
	for _, samples := range s {
		sum = sum.plus(at(samples, to).minus(at(samples, from)))
	}
	return sum
}

// at returns what had leaked at a moment, interpolated. It is what the next sample says before
// the first, and what the last one says after that: what happened there is not known.
func at(samples []sample, t time.Time) amount {
	var before sample
	for i, s := range samples {
		if s.at.After(t) {
			if i == 0 {
				return s.amount
			}
			part := float64(t.Sub(before.at)) / float64(s.at.Sub(before.at))
			return before.plus(s.minus(before.amount).times(part))
		}
		before = s
	}
	return before.amount
}
