package changes

import (
	"slices"
	"testing"
)

// What the reports of the sides hint at, such as files that lack names, the difference says as well, once.
func TestHintsOfSides(t *testing.T) {
	from, to := trace("aa11", 60), trace("aa11", 60)
	from.Hints = []string{"7 places of server have no name", "install it"}
	to.Hints = []string{"install it", "Not used: x", "a", "b", "c", "one too many"}
	want := []string{"7 places of server have no name", "install it", "Not used: x", "a", "b", "c"}
	if d := Of(record(from), record(to), Options{}); !slices.Equal(d.Notes, want) {
		t.Errorf("%q", d.Notes)
	}
}
