// Package region says what a process's address space consists of, by class, and which parts of
// it grow.
//
// A Sampler looks at a process through a Source. Poll reads the mappings, classifies them and
// adds each class's size to its history. It is cheap enough to be called every second.
// Snapshot also reads the resident sizes, for which the kernel walks all the resident pages.
// It returns the totals by class, the classes and the segments that grow, and a verdict in
// words. A caller that knows more than /proc tells (where the allocator's chunks are, who
// mapped a segment) supplies it through Config.Known.
//
// The package knows nothing of BPF, /proc, clocks or terminals: the caller passes the times,
// and a Source does the reading. Package region/proc has the Source for running processes.
//
// The parts: class.go names the classes. classify.go assigns them, with chunks.go and
// arenas.go for malloc's part of the anonymous memory and stacks.go for threads. known.go
// gives precedence to what the caller knows. sampler.go polls, totals.go adds up, growth.go
// finds what grows, and verdict.go puts it into words.
package region
