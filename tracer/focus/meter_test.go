package focus

import (
	"testing"
	"time"
)

// Probes are met at places that nobody asked for while they are taken away. If that goes on, the process runs
// another program.
func TestStrays(t *testing.T) {
	var s strays
	now := time.Now()
	for i, tc := range []struct {
		more  uint64
		after time.Duration
		want  bool
	}{
		{1e6, 0, false},
		{1e6, time.Second / 2, false},
		{1e6, time.Second, false},
		{0, time.Second, false},
		{50, time.Second, false},
		{1e6, time.Second, false},
		{1e6, time.Second, false},
		{1e6, time.Second, true},
	} {
		now = now.Add(tc.after)
		if got := s.add(s.n+tc.more, 10, now); got != tc.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// What is met too often within a period is, and of what is too much together that which is met most.
func TestMeter(t *testing.T) {
	m := newMeter(0.04, 10*time.Microsecond) // 400 a second in all, 100 for each
	if m.all != 4000 || m.each != 1000 || m.rate() != 100 {
		t.Fatalf("%+v", m)
	}
	now := time.Now()
	list := []*site{{hits: 10}, {hits: 1000}, {hits: 1001}}
	if hot := m.judge(list, now); len(hot) != 1 || hot[0] != list[2] {
		t.Errorf("%d are hot", len(hot))
	}
	list = []*site{{hits: 900}, {hits: 901}, {hits: 902}, {hits: 903}, {hits: 904}}
	if hot := m.judge(list, now.Add(period)); len(hot) != 1 || hot[0] != list[4] {
		t.Errorf("%d are hot together", len(hot))
	}
	// The period is over: the count begins anew.
	list = list[:4]
	for _, s := range list {
		s.hits += 900
	}
	if hot := m.judge(list, now.Add(period+time.Second)); len(hot) != 0 {
		t.Errorf("%d are hot in another period", len(hot))
	}
	// However little there is to spend, a place is met once.
	if m := newMeter(1e-9, time.Second); m.all != 1 || m.each != 1 {
		t.Errorf("%+v", m)
	}
}
