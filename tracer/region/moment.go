package region

import "time"

// Moment is what an address space had at one look, in bytes.
type Moment struct {
	At time.Time
	// Resident is the kernel's total.
	Resident uint64
	// These are addresses that can be accessed. Mapped is malloc's mmaps and other anonymous ones.
	Brk, Arena, Mapped uint64
}

// moment returns what was just read.
func (s *Sampler) moment(now time.Time) Moment {
	t := &s.totals
	return Moment{
		At: now, Resident: s.statmResident,
		Brk: t[Brk].usable(), Arena: t[Arena].usable(), Mapped: t[MallocMmap].usable() + t[Mmap].usable(),
	}
}
