package region

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"memtrace/tracer/trend"
)

// Resident sizes cost as much to read as there are pages, so a Sampler reads them only when
// memory has grown, and not where that takes long.
const (
	// leastGrown is how many bytes memory must have grown by, or what is followed must have.
	leastGrown = 64 << 10
	// mostCost is the longest, in processor time, that a look may take to be repeated. The
	// kernel keeps the process from mapping memory meanwhile.
	mostCost = 100 * time.Millisecond
	// lookPart is what these looks may take beside other polls, as a part of Config.Share.
	lookPart = 0.5
	// mostOrigins is how many origins are followed, and mostFits how many of them are fitted.
	mostOrigins, mostFits = 4096, 128
)

// ownership is what a Sampler knows of whose the memory is.
type ownership struct {
	// own and origins are the histories of Total.Own, by class and by origin. extentsAt are the
	// sums by origin when resident sizes were last read.
	own       [NumClasses]trend.Line
	origins   map[Mapped]*trend.Line
	extentsAt map[Mapped]Extent
	// nextLook is when resident sizes may be read again. cost is what that took.
	nextLook time.Time
	cost     time.Duration
	// resident, as statm has it, and virtual, the bytes of all classes, are those of the last
	// such look. huge: there were huge pages, which statm leaves out.
	resident, virtual uint64
	huge              bool
}

// settle decides how much of a segment's memory is the process's, when own is what was copied.
// private means that it is a private mapping of a file.
func (s *Segment) settle(private bool) {
	switch {
	case private && s.clean && (s.Class == Text || s.Class == Library):
		s.own = 0 // probes make copies of such pages, too
	case private:
		s.own = min(s.own, s.resident)
	case s.clean:
		s.own = 0
	default:
		s.own = s.resident
	}
}

// virtualNow returns the bytes of all classes at the last poll.
func (s *Sampler) virtualNow() (bytes uint64) {
	for c := range s.totals {
		bytes += s.totals[c].Virtual
	}
	return bytes
}

// Reserved returns how many bytes of what origins have mapped were addresses without memory of the
// process's own when resident sizes were last read. Origins that have less than least bytes of
// these do not count.
func (s *Sampler) Reserved(least uint64) (bytes uint64) {
	for _, e := range s.extentsAt {
		if idle := e.Virtual - min(e.Own, e.Virtual); idle >= least {
			bytes += idle
		}
	}
	return bytes
}

// grownSince reports whether memory may have grown since resident sizes were last read.
func (s *Sampler) grownSince() bool {
	return s.huge || s.statmResident > s.ownership.resident+leastGrown || s.virtualNow() > s.ownership.virtual
}

// due reports whether resident sizes are to be read again.
func (s *Sampler) due(now time.Time) bool {
	return s.smapsErr == nil && s.cost <= mostCost && !now.Before(s.nextLook) && s.grownSince()
}

// looked notes that resident sizes were read, and what a poll with that took.
func (s *Sampler) looked(now time.Time, cost, pause time.Duration) {
	s.cost = cost
	if s.cfg.Share > 0 {
		s.nextLook = now.Add(time.Duration(float64(pause) / lookPart))
	}
	s.ownership.resident, s.ownership.virtual = s.statmResident, s.virtualNow()
}

// follow adds what is known of Own at a time since the start, and nothing where memory may have grown
// since it was read.
func (s *Sampler) follow(at time.Duration, looked bool) {
	switch {
	case looked:
		s.huge = s.now.huge
		s.extentsAt = largest(s.view.mapped())
		s.followOrigins()
	case s.grownSince():
		return
	}
	for c := range s.own {
		s.own[c].Add(at, float64(s.totals[c].Own))
	}
	for m, line := range s.origins {
		line.Add(at, float64(s.extentsAt[m].Own))
	}
}

// largest returns sums by origin, without those that are small if there are very many.
func largest(all map[Mapped]Extent) map[Mapped]Extent {
	if len(all) <= mostOrigins {
		return all
	}
	large := make(map[Mapped]Extent)
	for m, e := range all {
		if e.Virtual >= leastGrown {
			large[m] = e
		}
	}
	return large
}

// followOrigins keeps those that have much memory.
func (s *Sampler) followOrigins() {
	if s.origins == nil {
		s.origins = make(map[Mapped]*trend.Line)
	}
	maps.DeleteFunc(s.origins, func(m Mapped, _ *trend.Line) bool { return s.extentsAt[m].Own < leastGrown })
	for m, e := range s.extentsAt {
		if s.origins[m] == nil && e.Own >= leastGrown && len(s.origins) < mostOrigins {
			s.origins[m] = new(trend.Line)
		}
	}
}

// extents returns the sums by origin.
func (s *Sampler) extents() map[Mapped]Extent {
	now := s.view.mapped()
	if !s.residentAt.Equal(s.last) || s.residentAt.IsZero() {
		for m, e := range now {
			e.Own = e.Usable
			if then := s.extentsAt[m]; then.Virtual > 0 {
				e.Own = uint64(float64(then.Own) / float64(then.Virtual) * float64(e.Virtual))
			}
			now[m] = e
		}
	}
	followed := slices.SortedFunc(maps.Keys(s.origins), func(a, b Mapped) int { return cmp.Compare(now[b].Own, now[a].Own) })
	for _, m := range followed[:min(len(followed), mostFits)] {
		if e, ok := now[m]; ok {
			fit := s.origins[m].Fit()
			e.Fit = &fit
			now[m] = e
		}
	}
	return now
}
