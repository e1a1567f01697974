// Package procmaps parses what Linux shows of an address space: the text of /proc/PID/maps,
// and of /proc/PID/smaps, which adds figures after each line (proc_pid_maps(5),
// proc_pid_smaps(5)).
//
// A Scanner is made for polling. It reads a stream and keeps only the names it has met, so a
// scan of mappings with known names allocates nothing. What mappings mean is left to others. It is
// hand-written because github.com/prometheus/procfs takes three times as long, allocates four
// times for each mapping, and has no PROCMAP_QUERY (docs/LIBRARIES.md).
package procmaps
