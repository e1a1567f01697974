// Package cohort tells from a few looks at all blocks of a heap which kinds of them pile up.
//
// A cohort is what was new at one look. The cohorts of a leak stay as they are, those of a cache
// shrink with age, and blocks that live for moments are gone at the next look. A block counts from
// the second look on at which it is unchanged: it has settled. Where the contents of blocks change
// in use, as links and counters do, a second count goes by address and size alone.
//
// How blocks are listed, what they are and who holds them is up to others.
package cohort
