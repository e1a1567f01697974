// Package region says what a process's address space is made of, by class, and
// what of it grows.
//
// A Sampler looks at a process through a Source. Poll reads the mappings, tells
// their classes and adds each class's size to its history; it is cheap, and made
// to be called every second. Snapshot reads the resident sizes as well, which
// costs the kernel a walk of all the resident pages, and says what was found: the
// totals by class, the classes that grow, the segments that do, and a verdict in
// words. A caller who knows more than /proc tells (where the allocator's chunks
// are, who mapped a segment) says so by Config.Known.
//
// The package knows nothing of BPF, /proc, clocks or terminals: times are the
// caller's, and a Source is what reads. Package region/proc has the one for
// running processes.
//
// The parts: class.go names the classes; classify.go assigns them, with chunks.go
// and arenas.go for what of the anonymous memory is malloc's, and stacks.go for
// threads; known.go has what the caller knows prevail; sampler.go polls; totals.go
// adds up; growth.go finds what grows, verdict.go says it.
package region
