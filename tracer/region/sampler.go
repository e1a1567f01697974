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

// DefaultShare is Config.Share if that is 0.
const DefaultShare = 0.01

// Config says how a Sampler works. The zero value is fine.
type Config struct {
	// Known is asked at every poll for ranges whose class the caller knows, in
	// order of address and without overlaps. They prevail over what is found out.
	Known func() []Range
	// Share is the most processor time that polls may take, as a part of one
	// processor: after a poll that took 15 ms the mappings are not read again for
	// 1.5 s if it is 0.01. Negative is no limit.
	Share float64
}

// Sampler watches an address space. It is not safe for concurrent use.
type Sampler struct {
	src Source
	cfg Config

	// now and before are the mappings of the last two polls; view is now with
	// what the caller knows, in refined if there is such.
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
	// virtual and resident are of the whole, by statm.
	virtual, resident           trend.Line
	statmVirtual, statmResident uint64
	grown                       [NumClasses]steps
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

// reset forgets all that was seen.
func (s *Sampler) reset() {
	*s = Sampler{
		src: s.src, cfg: s.cfg, program: s.program, restarted: s.restarted,
		now: newLayout(), before: newLayout(), refined: newLayout(), bss: make(map[uint64]uint64),
	}
	s.view = s.now
}

// Poll looks at the process at time now, which must not step back. The first poll
// reads resident sizes as well, for the growth to be told later. Errors are
// ErrGone, after which Snapshot says what was known, ErrNotPermitted, or others.
func (s *Sampler) Poll(now time.Time) error {
	if s.polls > 0 && now.Before(s.next) {
		return s.statm(now) // the mappings would cost too much yet
	}
	return s.poll(now, s.polls == 0)
}

// poll reads the mappings, with the resident sizes if full.
func (s *Sampler) poll(now time.Time, full bool) error {
	if s.gone {
		return ErrGone
	}
	runtime.LockOSThread() // whose time is looked at
	defer runtime.UnlockOSThread()
	used := s.src.Used()
	facts, err := s.src.Facts()
	if err != nil {
		return s.failed(err)
	}
	if s.polls > 0 && facts.Program != s.program {
		s.restarted = true
		s.reset()
		full = true
	}
	s.program = facts.Program
	if s.stacks, s.unlocated, err = s.src.Stacks(s.stacks[:0]); err != nil {
		return s.failed(err)
	}
	slices.SortFunc(s.stacks, func(a, b StackAddress) int { return cmp.Compare(a.Addr, b.Addr) })
	haveRSS, err := s.read(facts, full)
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
	if cost := s.src.Used() - used; s.cfg.Share > 0 && !full {
		s.next = now.Add(time.Duration(float64(cost) / s.cfg.Share))
	}
	return nil
}

// failed notes the end of the process.
func (s *Sampler) failed(err error) error {
	s.gone = s.gone || errors.Is(err, ErrGone)
	return err
}

// read puts the mappings into s.view. It says whether with resident sizes.
func (s *Sampler) read(facts Facts, full bool) (haveRSS bool, err error) {
	next := s.before
	if len(s.bss) > maxSegments { // libraries come and go
		clear(s.bss)
	}
	attempt := func(scan func(func(*procmaps.Mapping)) error) error {
		next.reset()
		s.now.cursor = 0
		var chunks [NumClasses]steps
		c := classifier{
			src: s.src, facts: facts, stacks: s.stacks, old: s.now, fresh: full, bss: s.bss, out: next,
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

// account takes the mappings that were read into the history.
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
	totals := s.view.totals()
	for c := range totals {
		if !haveRSS {
			totals[c].Resident = s.totals[c].Resident
		}
		s.lines[c].Add(now.Sub(s.start), float64(totals[c].usable()))
	}
	s.totals = totals
	if s.polls == 0 {
		s.first = totals
		s.base = slices.Clone(s.view.segments)
	}
	s.polls++
	s.last = now
}

// ClassAt is the class of the memory at an address, as of the last time that the
// mappings were read.
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

// statm adds the sizes of the whole to the history.
func (s *Sampler) statm(now time.Time) error {
	if s.gone {
		return ErrGone
	}
	virtual, resident, err := s.src.Statm()
	if err != nil {
		return s.failed(err)
	}
	s.statmVirtual, s.statmResident = virtual, resident
	s.virtual.Add(now.Sub(s.start), float64(virtual))
	s.resident.Add(now.Sub(s.start), float64(resident))
	return nil
}
