// Package window keeps tracing within a budget. It decides when probes are in place: all the
// time while that is affordable, and otherwise in windows, whose lengths and moments it plans
// from what it measures. It reaches probes and events through interfaces of its own, so its
// decisions are tested on a simulated target.
package window
