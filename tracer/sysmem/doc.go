// Package sysmem says how the machine's memory is used and how much of it can be
// had: /proc/meminfo, the zones' watermarks, and what is mounted in memory. It
// explains the kernel's estimate, MemAvailable, term by term.
//
// Compute is a pure function of the texts; Read gets them from /proc. Nothing is
// changed: caches are not dropped.
package sysmem
