package region

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"time"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/trend"
)

// DefaultShare is the value of Config.Share if that is 0.
const DefaultShare = 0.01

// Config says how a Sampler works. The zero value is usable.
type Config struct {
	// Known returns ranges whose class the caller knows, in order of address and without
	// overlaps. It is called at every poll. The ranges override what is found out.
	Known func() []Range
	// Share is the most processor time that polls may take, as a fraction of one processor. At
	// 0.01, a poll that took 15 ms keeps the mappings from being read again for 1.5 s. Looks at
	// resident sizes come on top of that, with half as much. A negative value means no limit.
	Share float64
}

// Sampler watches an address space. It is not safe for concurrent use.
type Sampler struct {
	src Source
	cfg Config

	// now and before are the layouts of the last two polls. view is now, or refined if the
	// caller knows more.
	now, before, refined, view *layout
	bss                        map[uint64]uint64
	stacks                     []StackAddress
	unlocated                  int

	start, last, next time.Time
	polls             int
	program           uint64
	restarted         bool
	gone              bool
	smapsErr          error

	base       []Segment
	first      [NumClasses]Total
	totals     [NumClasses]Total
	residentAt time.Time
	lines      [NumClasses]trend.Line
	// virtual, resident and data are the totals of statm. mappings is how many there are.
	virtual, resident, data     trend.Line
	mappings                    trend.Line
	statmVirtual, statmResident uint64
	grown                       [NumClasses]steps
	history                     trend.History[Moment]
	ownership
}

// NewSampler returns a Sampler that has seen nothing yet.
func NewSampler(src Source, cfg Config) *Sampler {
	if cfg.Share == 0 {
		cfg.Share = DefaultShare
	}
	s := &Sampler{src: src, cfg: cfg}
	s.reset()
	return s
}

// reset forgets everything that was seen.
func (s *Sampler) reset() {
	*s = Sampler{
		src: s.src, cfg: s.cfg, program: s.program, restarted: s.restarted,
		now: newLayout(), before: newLayout(), refined: newLayout(), bss: make(map[uint64]uint64),
	}
	s.view = s.now
}

// Poll looks at the process at time now, which must not go back. The first poll also reads
// resident sizes, so that their growth can be told later. The error may be ErrGone, after
// which Snapshot returns what was known, ErrNotPermitted, or another.
func (s *Sampler) Poll(now time.Time) error {
	if s.polls > 0 && now.Before(s.next) {
		return s.statm(now) // too early: reading the mappings would cost too much
	}
	full := s.polls == 0
	return s.poll(now, full || s.due(now), full)
}

// poll reads the mappings, and the resident sizes if full. With fresh, it also looks again at what
// has not changed.
func (s *Sampler) poll(now time.Time, full, fresh bool) error {
	if s.gone {
		return ErrGone
	}
	runtime.LockOSThread() // Used is the time of the calling thread
	defer runtime.UnlockOSThread()
	used := s.src.Used()
	facts, err := s.src.Facts()
	if err != nil {
		return s.failed(err)
	}
	if s.polls > 0 && facts.Program != s.program {
		s.restarted = true
		s.reset()
		full, fresh = true, true
	}
	s.program = facts.Program
	if s.stacks, s.unlocated, err = s.src.Stacks(s.stacks[:0]); err != nil {
		return s.failed(err)
	}
	slices.SortFunc(s.stacks, func(a, b StackAddress) int { return cmp.Compare(a.Addr, b.Addr) })
	haveRSS, err := s.read(facts, full, fresh)
	if err != nil {
		return s.failed(err)
	}
	if s.polls == 0 {
		s.start = now
	}
	s.account(now, haveRSS)
	if err := s.statm(now); err != nil {
		return err
	}
	s.history.Add(s.moment(now))
	cost := s.src.Used() - used
	switch pause := time.Duration(float64(cost) / s.cfg.Share); {
	case full:
		s.looked(now, cost, pause)
	case s.cfg.Share > 0:
		s.next = now.Add(pause)
	}
	return nil
}

// failed notes the end of the process.
func (s *Sampler) failed(err error) error {
	s.gone = s.gone || errors.Is(err, ErrGone)
	return err
}

// read puts the mappings into s.now. It reports whether they have resident sizes.
func (s *Sampler) read(facts Facts, full, fresh bool) (haveRSS bool, err error) {
	next := s.before
	if len(s.bss) > maxSegments { // libraries come and go
		clear(s.bss)
	}
	attempt := func(scan func(func(*procmaps.Mapping)) error) error {
		next.reset()
		s.now.cursor = 0
		var chunks [NumClasses]steps
		c := classifier{
			src: s.src, facts: facts, stacks: s.stacks, old: s.now, fresh: fresh, bss: s.bss, out: next,
			found: chunks[MallocMmap].add,
		}
		if err := scan(c.mapping); err != nil {
			return err
		}
		if len(next.segments) == 0 {
			return ErrGone
		}
		if s.polls > 0 && chunks[MallocMmap].n > 0 {
			s.grown[MallocMmap].merge(&chunks[MallocMmap])
		}
		return nil
	}
	if full {
		s.smapsErr = attempt(s.src.Smaps)
		haveRSS = s.smapsErr == nil
		if errors.Is(s.smapsErr, ErrGone) {
			return false, ErrGone
		}
	}
	if !haveRSS {
		if err := attempt(s.src.Maps); err != nil {
			return false, err
		}
	}
	next.finish()
	s.now, s.before = next, s.now
	return haveRSS, nil
}

// account adds the mappings that were read to the history.
func (s *Sampler) account(now time.Time, haveRSS bool) {
	previous := s.before.segments
	if s.view == s.refined {
		previous = slices.Clone(s.refined.segments)
	}
	s.view = s.now
	if s.cfg.Known != nil {
		s.view = s.now.known(s.cfg.Known(), s.refined)
	}
	if s.polls > 0 {
		compare(previous, s.view.segments, &s.grown)
	}
	if haveRSS {
		s.view.share(s.src)
		s.residentAt = now
	}
	s.mappings.Add(now.Sub(s.start), float64(s.now.count))
	totals := s.view.totals()
	for c := range totals {
		if !haveRSS {
			totals[c].Resident, totals[c].Own = s.totals[c].Resident, s.totals[c].Own
		}
		s.lines[c].Add(now.Sub(s.start), float64(totals[c].usable()))
	}
	s.totals = totals
	s.follow(now.Sub(s.start), haveRSS)
	if s.polls == 0 {
		s.first = totals
		s.base = slices.Clone(s.view.segments)
	}
	s.polls++
	s.last = now
}

// ClassAt returns the class of the memory at addr when the mappings were last read.
func (s *Sampler) ClassAt(addr uint64) (Class, bool) {
	i, ok := s.view.search(addr)
	if !ok {
		i--
	}
	if i < 0 || addr >= s.view.segments[i].End {
		return Other, false
	}
	return s.view.segments[i].Class, true
}

// statm adds the totals of statm to the history.
func (s *Sampler) statm(now time.Time) error {
	if s.gone {
		return ErrGone
	}
	virtual, resident, data, err := s.src.Statm()
	if err != nil {
		return s.failed(err)
	}
	s.statmVirtual, s.statmResident = virtual, resident
	s.virtual.Add(now.Sub(s.start), float64(virtual))
	s.resident.Add(now.Sub(s.start), float64(resident))
	s.data.Add(now.Sub(s.start), float64(data))
	return nil
}
