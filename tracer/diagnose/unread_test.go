package diagnose

import (
	"strings"
	"testing"

	"memtrace/tracer/process/kin"
	"memtrace/tracer/process/limits"
)

// Limits and children that nobody looked at are named.
func TestUnwatched(t *testing.T) {
	for want, f := range map[string]*Facts{
		"": {Limits: &limits.Limits{}},
		"could not read the limits of cgroup /a, which no mount shows": {Limits: &limits.Limits{Unread: []string{"the limits of cgroup /a, which no mount shows"}}},
		"1,744 child processes are not watched":                        {Kin: kin.Snapshot{Unwatched: 1744}},
		"too many to list":                                             {Kin: kin.Snapshot{Unwatched: 9, Truncated: true}},
	} {
		if got := strings.Join(unwatched(f), " "); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
