package focus

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// batch is places of one module that are probed together: the kernel can only take all of them away at
// once.
type batch struct {
	module *module
	sites  []*site
	links  probe.Links
}

// mostOfBatch is how many places are probed together. A batch is as soon in place without one of them.
const mostOfBatch = 256

// choose probes the places from which blocks of the wanted sizes may come.
func (f *Focus) choose(fits func(uint64) bool) error {
	f.fits, f.choosing = fits, true
	defer func() { f.choosing = false }()
	if !f.cfg.Windowed() || f.cfg.Debugged() {
		return nil
	}
	end := f.cfg.Aside()
	gone, err := f.refresh()
	end()
	if err != nil {
		return err
	}
	for _, m := range gone {
		if err := f.forget(m); err != nil {
			return err
		}
	}
	rates, room := f.cfg.Rates(), f.cfg.Kernel.MostReturns()
	reserved := room / 4
	for _, b := range f.batches {
		room -= len(b.sites)
	}
	for _, sure := range []bool{true, false} { // the places of which the size is known come first
		if !sure {
			room -= reserved // for what is wanted later
		}
		for _, m := range f.order {
			var list []*site
			for _, s := range m.sites {
				if s.state != idle && s.state != often || s.known != sure || s.known && !fits(s.asked) {
					continue
				}
				if s.state = idle; rates[s.addr] > f.meter.rate() {
					s.state = often
					continue
				}
				list = append(list, s)
			}
			list = f.unchanged(list)
			for some := range slices.Chunk(list[:min(len(list), max(room, 0))], mostOfBatch) {
				if err := f.attach(m, some); err != nil || f.modules == nil {
					return err
				}
				room -= len(some)
			}
		}
	}
	f.publish()
	return nil
}

// attach probes some places of a module, and watches them for a moment.
func (f *Focus) attach(m *module, sites []*site) error {
	for i, s := range sites {
		err := f.cfg.Kernel.AddReturn(s.place(f.cfg.Target.PID))
		if errors.Is(err, probe.ErrManyReturns) { // those of other processes
			sites = sites[:i]
			break
		}
		if err != nil {
			return err
		}
		f.probed[s.addr] = s
	}
	if len(sites) == 0 {
		return nil
	}
	f.brisk = time.Now().Add(briskTime)
	batches, err := f.place(m, sites)
	f.batches = append(f.batches, batches...)
	if err != nil {
		return err
	}
	const looks = 4
	for range looks {
		select {
		case <-f.ctx.Done():
			return f.ctx.Err()
		case <-time.After(briskTick):
		}
		if err := f.look(); err != nil {
			return err
		}
	}
	return nil
}

// place puts probes on places of a module: on all together or, if the kernel refuses that, on each half.
// Of a single place that is no error.
func (f *Focus) place(m *module, sites []*site) ([]*batch, error) {
	if f.ctx.Err() != nil {
		return nil, f.ctx.Err()
	}
	links, err := f.link(m, sites)
	switch {
	case err == nil:
		for _, s := range sites {
			s.state = probed
		}
		return []*batch{{m, slices.Clone(sites), links}}, nil
	case target.Gone(f.cfg.Target.PID):
		return nil, fmt.Errorf("the process has ended: %w", err)
	case len(sites) > 1:
		half := len(sites) / 2
		first, err := f.place(m, sites[:half])
		if err != nil {
			return first, err
		}
		second, err := f.place(m, sites[half:])
		return append(first, second...), err
	}
	sites[0].state = refused
	return nil, f.drop(sites[0])
}

func (f *Focus) link(m *module, sites []*site) (links probe.Links, err error) {
	image, err := f.cfg.Target.OpenModule(&m.Module)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	offsets := make([]uint64, len(sites))
	for i, s := range sites {
		offsets[i] = s.Offset
	}
	return f.cfg.Kernel.AttachReturns(f.cfg.Target.PID, image.OpenPath(), offsets)
}

// takeAway takes the probes of hot places away. The others of their batches are probed anew first, so
// that none of them is missed.
func (f *Focus) takeAway() error {
	kept := f.batches[:0:0]
	for i, b := range f.batches {
		cool := slices.DeleteFunc(slices.Clone(b.sites), func(s *site) bool { return s.state == hot })
		if len(cool) == len(b.sites) {
			kept = append(kept, b)
			continue
		}
		var fresh []*batch
		var err error
		if len(cool) > 0 {
			fresh, err = f.place(b.module, cool)
		}
		kept = append(kept, fresh...)
		for _, s := range b.sites {
			if s.state == hot {
				err = errors.Join(err, f.drop(s))
			}
		}
		f.close(b.links)
		if err != nil {
			f.batches = append(kept, f.batches[i+1:]...)
			return err
		}
	}
	f.batches = kept
	return nil
}

// forget takes the probes of a module away that is not mapped any more.
func (f *Focus) forget(m *module) (err error) {
	f.batches = slices.DeleteFunc(f.batches, func(b *batch) bool {
		if b.module == m {
			f.close(b.links)
		}
		return b.module == m
	})
	for _, s := range m.sites {
		if s.state == probed {
			err = errors.Join(err, f.drop(s))
		}
	}
	return err
}

// drop makes the kernel forget a place.
func (f *Focus) drop(s *site) error {
	delete(f.probed, s.addr)
	return f.cfg.Kernel.DropReturn(s.place(f.cfg.Target.PID))
}

// close takes probes away, beside the caller: they are gone at once, but then the kernel has to be waited
// for.
func (f *Focus) close(links probe.Links) {
	go func() {
		if err := f.cfg.CloseProbes(links); err != nil {
			f.cfg.Logf("take probes away where calls return: %v", err)
		}
	}()
}
