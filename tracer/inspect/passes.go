package inspect

import "memtrace/tracer/inspect/graph"

// passes tells what was lost by a time that is not too long ago. A block that is lost counts if it was
// lost at the first of several passes, so these begin anew once half as many are enough to tell.
type passes struct{ old, young graph.Passes }

func (p *passes) add(g *graph.Graph) {
	if p.old.Len() >= graph.MinPasses {
		p.young.Add(g)
	}
	p.old.Add(g)
	n := p.young.Len()
	if n >= graph.MinPasses && 2*n >= p.old.Len() && (p.young.Settled() || !p.old.Settled()) {
		p.old, p.young = p.young, graph.Passes{}
	}
}
