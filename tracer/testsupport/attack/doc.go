// Package attack tries to make memtrace harm what it traces, the machine, or the truth.
//
// It builds the program memtrace and runs it, as a user does, on programs of testdata. These
// check every block they free against the pattern they left in it. Meanwhile the attack kills
// either side, damages what memtrace reads, and lets other tools work on the same process. An
// attack goes on in rounds until its time is over. After each round nothing may be left of
// what the round attached.
//
// The tests have the build tag attack, because a full run takes ten minutes and both
// processors: see "make attack", which prints what docs/ATTACKS.md is made of. A short run of
// all of them is a part of "make test". Every round draws what it does from the seed that is
// printed, from the attack's name and from the round's number.
package attack
