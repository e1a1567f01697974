// Package window keeps tracing within a budget. It decides when probes are in place: all the
// time, as long as that costs no more than it may, and else in windows of time, whose lengths
// and moments it plans by what it measures. It drives probes, and reads what was seen, by
// interfaces of its own: its decisions are tested on a target that is simulated.
package window
