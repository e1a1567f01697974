//go:build race

package proc

// raceEnabled: the race detector makes everything several times slower.
const raceEnabled = true
