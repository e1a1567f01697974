package book

import (
	"memtrace/tracer/event"
)

// Server is a function that served allocations, in the code that was mapped there. The zero Server
// stands for none.
type Server struct {
	Address uint64
	Code    event.CodeID
}

// mostServers bounds how many are kept of a process, which has few.
const mostServers = 1 << 10

// servedBy notes that a process was served by the function at an address, if that is not 0.
func (r *record) servedBy(address uint64) {
	if address == 0 || len(r.servers) >= mostServers {
		return
	}
	s := Server{Address: address}
	s.Code = r.code.At(address)
	if r.servers == nil {
		r.servers = make(map[Server]struct{})
	}
	r.servers[s] = struct{}{}
}

// Servers returns what has served a process since it runs its program, in no order.
func (b *Book) Servers(pid uint32) (list []Server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.procs[b.owner(pid)]
	if r == nil {
		return nil
	}
	for s := range r.servers {
		list = append(list, s)
	}
	return list
}

// serverOf returns which server a stack has. The caller holds the lock.
func (b *Book) serverOf(id event.StackID) Server {
	address, code := b.stacks.Server(id)
	return Server{address, code}
}
