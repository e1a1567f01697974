// Package procmaps parses what Linux shows of an address space: the text of
// /proc/PID/maps and of /proc/PID/smaps, which is the same with figures behind
// each line (proc_pid_maps(5), proc_pid_smaps(5)).
//
// A Scanner is made for polling: it reads a stream, keeps nothing of it but the
// names it has met, and a scan of mappings whose names it knows allocates
// nothing. What mappings mean is left to others.
package procmaps
