//go:build attack

package attack

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// maxFaults is how many faults of an attack are printed.
const maxFaults = 5

// scene is an attack under way. Each round has a generator and a folder of its own, and ends
// with what was deferred in it.
type scene struct {
	*camp
	t        *testing.T
	attack   *attack
	deadline time.Time
	round    int
	rng      *rand.Rand
	dir      string // of the round
	cleanups []func()
	result   *result
}

// next ends a round and begins the next one, unless the time is over. There is always one
// round.
func (s *scene) next() bool {
	begun := s.rng != nil
	s.endRound()
	if begun && time.Now().After(s.deadline) {
		return false
	}
	s.round++
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", s.attack.name, s.round)
	s.rng = rand.New(rand.NewPCG(*seed, h.Sum64()))
	s.dir = filepath.Join(s.camp.dir, fmt.Sprintf("%s-%d", s.attack.name, s.round))
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.count("rounds", 1)
	return true
}

// endRound undoes what the round has set up, the last first.
func (s *scene) endRound() {
	for _, undo := range slices.Backward(s.cleanups) {
		undo()
	}
	s.cleanups = nil
	if s.dir != "" {
		if err := os.RemoveAll(s.dir); err != nil {
			s.failf("remove the round's folder: %v", err)
		}
		s.dir = ""
	}
}

// later defers undo to the end of the round.
func (s *scene) later(undo func()) { s.cleanups = append(s.cleanups, undo) }

// failf notes something that did not hold, and how to reproduce it.
func (s *scene) failf(format string, args ...any) {
	s.result.fault(fmt.Sprintf("round %d (-run 'TestAttack/all/%s$' -args -attack.seed %d -attack.round %d): %s",
		s.round, s.attack.name, *seed, s.round, fmt.Sprintf(format, args...)))
}

// count adds to a figure of the attack's line in the table.
func (s *scene) count(what string, n int64) { s.result.add(what, n) }

// chance is true once in n times.
func (s *scene) chance(n int) bool { return s.rng.IntN(n) == 0 }

// within is a random duration up to most.
func (s *scene) within(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most)))
}

// pick is a random element.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// results are what attacks have counted, by name.
type results struct {
	mu  sync.Mutex
	all map[string]*result
}

// result is one attack's figures and faults.
type result struct {
	mu      sync.Mutex
	began   time.Time
	order   []string
	figures map[string]int64
	faults  []string
	failed  int
}

func (r *results) begin(name string) *result {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &result{began: time.Now(), figures: make(map[string]int64)}
	r.all[name] = one
	return one
}

func (r *result) add(what string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.figures[what]; !ok {
		r.order = append(r.order, what)
	}
	r.figures[what] += n
}

// largest keeps the largest of what it is given.
func (r *result) largest(what string, n int64) {
	r.add(what, 0)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures[what] = max(r.figures[what], n)
}

func (r *result) fault(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, text)
	}
}

// table is what the attacks have done, in Markdown.
func (c *camp) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n| attack | what is done | what must hold | counts | held |\n|---|---|---|---|---|\n")
	for _, a := range attacks {
		r := c.all[a.name]
		if r == nil {
			continue // another one was asked for
		}
		var counts []string
		for _, what := range r.order {
			counts = append(counts, grouped(r.figures[what])+" "+what)
		}
		held := "yes"
		if r.failed > 0 {
			held = fmt.Sprintf("**no, %d times**", r.failed)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", a.name, a.does, a.hold, strings.Join(counts, ", "), held)
	}
	fmt.Fprintf(&b, "\n%s, Linux %s, seed %d\n", time.Now().UTC().Format(time.DateOnly), kernelRelease(), *seed)
	return b.String()
}

// grouped is a number with its thousands separated.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
