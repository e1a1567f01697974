package process

import (
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
)

// Costs returns what calls cost under probes, by the instructions that these sit on: for each
// process those of its malloc and free, which are called most often. Of several processes the
// highest costs count. What is dearer than it need be is logged.
func (g *Group) Costs(prices probe.Prices) (most probe.Costs) {
	for _, p := range g.procs.all() {
		o := p.target.Allocator()
		if o == nil {
			continue
		}
		alloc, free := mainProbe(o, target.Alloc), mainProbe(o, target.Free)
		costs := prices.Of(alloc != nil && alloc.Stepped(), free != nil && free.Stepped())
		for _, dear := range []struct {
			probe      *target.Probe
			cost, less any
		}{{alloc, costs.Alloc, prices.Emulated.Alloc}, {free, costs.Free, prices.Emulated.Free}} {
			if dear.probe != nil && dear.probe.Stepped() {
				g.cfg.remark("process %d: %s of %s has no instruction for a probe that the kernel emulates: a call costs %v rather than %v",
					p.pid, dear.probe.Name, o.Path, dear.cost, dear.less)
			}
		}
		most = probe.Costs{Alloc: max(most.Alloc, costs.Alloc), Free: max(most.Free, costs.Free)}
	}
	return most
}

// mainProbe returns the probe of the function with a role that is likely to be called most often:
// the first one, because target lists them so. It returns nil if there is none.
func mainProbe(o *target.Object, role target.Role) *target.Probe {
	for i := range o.Probes {
		if o.Probes[i].Role == role {
			return &o.Probes[i]
		}
	}
	return nil
}
