package serve

import (
	"strconv"
	"testing"
	"time"
)

// Whoever asks for ever new forms gets no more of them than the budget allows, and leaves half of it
// to the forms that others ask for. What was made once is there all the time.
func TestFormsAreSpaced(t *testing.T) {
	const took = 700 * time.Millisecond
	now := time.Now()
	b := &budget{left: mostSaved, at: now}
	for i := 0; b.wait(now, mostSaved/2) == 0; i++ {
		if b.use(now, took); i > 10 {
			t.Fatalf("%v is left", b.left)
		}
	}
	if wait := b.wait(now, 1); wait > 0 {
		t.Errorf("usual forms wait %v", wait)
	}
	b.use(now, time.Hour)
	if wait := b.wait(now, 1); wait < mostAge || wait > mostAge+time.Second || b.wait(now.Add(wait), 1) > 0 {
		t.Errorf("all wait %v", wait)
	}

	s := start(t, "127.0.0.1:0", "", fixed(leaking(1, 8)))
	get(t, s, "/report.txt", nil)
	get(t, s, "/report.txt?top=1", nil)
	<-s.looks.turn
	s.looks.at = time.Now().Add(time.Hour) // the look stays
	s.looks.turn <- struct{}{}
	spend := func(left time.Duration) {
		s.looks.budget.mu.Lock()
		defer s.looks.budget.mu.Unlock()
		s.looks.budget.left = left
	}
	for _, tc := range []struct {
		left time.Duration
		path string
		want int
	}{
		{mostSaved / 4, "/report.txt?top=2", 503},
		{mostSaved / 4, "/report.json", 200},
		{-mostOwed, "/metrics", 503},
		{-mostOwed, "/debug/pprof/heap", 503},
		{-mostOwed, "/report.txt?top=1", 200},
		{-mostOwed, "/report.txt", 200},
	} {
		spend(tc.left)
		status, header, body := get(t, s, tc.path, nil)
		if after, _ := strconv.Atoi(header.Get("Retry-After")); status != tc.want || (after > 1) != (status == 503) {
			t.Errorf("%s with %v left: %d, again in %d s: %s", tc.path, tc.left, status, after, body)
		}
	}
}
