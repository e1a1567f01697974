package target

import "slices"

// Allocator returns the object whose functions serve the process, nil if there is none. An
// allocator mapped next to libc's takes its place.
func (t *Target) Allocator() *Object {
	for _, o := range t.Objects {
		if !o.Family.Libc() {
			return o
		}
	}
	if len(t.Objects) == 0 {
		return nil
	}
	return t.Objects[0]
}

// Families are the allocators that may serve the process by what is mapped, libc's last. That is none of them if
// another object defines malloc in its place.
func (t *Target) Families() (families []Family) {
	replaced := slices.ContainsFunc(t.Objects, func(o *Object) bool {
		return !o.Family.Libc() && slices.ContainsFunc(o.Probes, func(p Probe) bool { return p.Name == "malloc" })
	})
	for _, libc := range []bool{false, true} {
		for _, o := range t.Objects {
			for _, f := range o.Families {
				if f.Libc() == libc && !(replaced && o.Family.Libc()) && !slices.Contains(families, f) {
					families = append(families, f)
				}
			}
		}
	}
	return families
}

// Server returns whose function is at an offset of a mapped file: one that has a probe there. ok is
// false if there is none.
func (t *Target) Server(path string, offset uint64) (family Family, ok bool) {
	for _, o := range t.Objects {
		if o.Path != path {
			continue
		}
		for i := range o.Probes {
			if p := &o.Probes[i]; p.Offset == offset && p.Role != Return {
				return p.Family, true
			}
		}
	}
	return "", false
}

// HasGlibc reports whether glibc's malloc may serve the process: it is mapped, and no other known
// allocator defines malloc in its place. One that is not known may be a wrapper of it.
func (t *Target) HasGlibc() bool {
	has := false
	for _, o := range t.Objects {
		for i := range o.Probes {
			switch p := &o.Probes[i]; {
			case p.Family == Glibc:
				has = true
			case p.Name == "malloc" && p.Family != Unknown && p.Family != NamedByUser:
				return false
			}
		}
	}
	return has
}
