package target

import "slices"

// Allocator returns the object whose functions serve the process, nil if there is none. An
// allocator mapped next to libc's takes its place.
func (t *Target) Allocator() *Object {
	for _, o := range t.Objects {
		if !o.Family.libc() {
			return o
		}
	}
	if len(t.Objects) == 0 {
		return nil
	}
	return t.Objects[0]
}

// Families are the allocators that serve the process, libc's last. That is none of them if
// another object defines malloc in its place.
func (t *Target) Families() (families []Family) {
	replaced := slices.ContainsFunc(t.Objects, func(o *Object) bool {
		return !o.Family.libc() && slices.ContainsFunc(o.Probes, func(p Probe) bool { return p.Name == "malloc" })
	})
	for _, libc := range []bool{false, true} {
		for _, o := range t.Objects {
			for _, f := range o.Families {
				if f.libc() == libc && !(replaced && o.Family.libc()) && !slices.Contains(families, f) {
					families = append(families, f)
				}
			}
		}
	}
	return families
}
