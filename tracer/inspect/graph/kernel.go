package graph

import (
	"strings"

	"memtrace/tracer/inspect/freeze"
)

// kernel adds what the kernel keeps for the process and gives back to it.
func (p *process) kernel() {
	var k freeze.Kernel
	if p.picture != nil {
		k = p.picture.Kernel
	} else {
		k, _ = freeze.ReadKernel(p.pid, func() error { return nil })
	}
	for _, kept := range k.Kept {
		p.list = append(p.list, area{
			class: Epoll, words: kept.Words, name: named(Root{Class: Epoll, Name: kept.Name}, 0, uint64(len(kept.Words))),
		})
	}
	for _, why := range k.Unseen {
		p.g.skip(0, 0, why)
	}
	for i := range p.symbols.Maps {
		// A ring stays without a descriptor as long as it is mapped, or registered with a thread.
		switch m := &p.symbols.Maps[i]; {
		case strings.HasPrefix(m.Path, "/[aio]"):
			p.g.skip(m.Start, m.End, freeze.UnseenAIO)
		case strings.HasPrefix(m.Path, "anon_inode:[io_uring]"):
			p.g.skip(m.Start, m.End, freeze.UnseenRing)
		}
	}
}
