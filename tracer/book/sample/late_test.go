package sample

import "testing"

// A site that begins late, with blocks that live as long as those of others, is no leak: nothing
// tells that they will not die as those do. If it does leak, that shows once they are older.
func TestLateSites(t *testing.T) {
	const begins, runs = 40, 40
	for _, test := range []struct {
		name                         string
		perMinute, lifetime, seconds float64
		leak                         bool
	}{
		{"few, as others, soon", 500, 50e9, 80, false},
		{"few, as others, later", 500, 50e9, 95, false},
		{"many, as others, soon", 3000, 50e9, 80, false},
		{"many, as others, later", 3000, 50e9, 200, false},
		{"for ever, soon", 3000, 0, 80, false},
		{"for ever, much later", 3000, 0, 400, true},
	} {
		called := 0
		for seed := range uint64(runs) {
			w := newWorld(seed, site{stack: 9, perMinute: 3000, size: 64, lifetime: 50e9, always: true},
				site{stack: 1, perMinute: test.perMinute, size: 64, lifetime: test.lifetime, always: true, from: begins * second})
			if got := classes(w.s.Snapshot(w.run(test.seconds)))[1]; got.Suspect() || got == Possible {
				called++
			}
		}
		t.Logf("%s: called a leak in %d of %d runs", test.name, called, runs)
		if test.leak && called < runs*9/10 || !test.leak && called > 0 {
			t.Errorf("%s: called a leak in %d of %d runs", test.name, called, runs)
		}
	}
}
