package diagnose

import (
	"testing"

	"memtrace/tracer/process/target"
)

// What keeps free memory is called by its name if it has one, and is the only one that has.
func TestOnlyFamily(t *testing.T) {
	for want, families := range map[string][]target.Family{
		"jemalloc": {target.NamedByUser, target.Jemalloc},
		"":         {target.NamedByUser, target.Unknown},
		"scudo":    {target.Scudo},
	} {
		if got := onlyFamily(families); got != want {
			t.Errorf("%q: %q, want %q", families, got, want)
		}
	}
	if got := onlyFamily([]target.Family{target.Jemalloc, target.Glibc}); got != "" {
		t.Errorf("%q of two", got)
	}
}
