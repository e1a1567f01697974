// Package stream reads what the probes report: records of the ring buffer, in their order,
// what spilled where the ring had no room, and the counters of what was lost. It decides how
// long records may wait, and hands all of it to one Sink.
package stream
