// Package sysmem says how the machine's memory is used and how much of it is available:
// /proc/meminfo, the zones' watermarks, and what is mounted in memory. It explains the
// kernel's estimate, MemAvailable, term by term.
//
// Compute is a pure function of the facts. Read gets them from /proc. Nothing is changed:
// caches are not dropped. What cannot be read is unknown, and a note of the report says so.
//
// Zones are read by github.com/prometheus/procfs. The rest of it (v0.23.0) does not serve
// here:
//   - Meminfo has no KReclaimable, a term of MemAvailable, and one line of another
//     form loses all the others.
//   - GetMounts loses all at a line of another form, and stops at one of more than
//     64 KiB. A user who can have a file system mounted in a directory can move that
//     directory down a deep tree: at a path of 70 KB GetMounts stopped.
//   - VM reads all of /proc/sys/vm, 52 files, for one number. Among them is
//     stat_refresh, which makes every processor fold its counters.
package sysmem
