// Package stream reads what the probes report: the ring buffer's records, in order; events
// that spilled because the ring had no room; and the counters of what was lost. It decides how
// long records may wait, and hands everything to one Sink.
package stream
