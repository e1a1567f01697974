package patience

import (
	"slices"
	"sync"
)

// GivenUp is what was waited for in vain. Goroutines that still wait for it are left behind. It is
// safe for concurrent use.
type GivenUp struct {
	mu   sync.Mutex
	list []string
}

// Add notes what did not answer in time, once.
func (g *GivenUp) Add(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.list, what) {
		g.list = append(g.list, what)
	}
}

// Has reports whether something did not answer before.
func (g *GivenUp) Has(what string) bool { return slices.Contains(g.All(), what) }

// All returns everything that did not answer.
func (g *GivenUp) All() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.list)
}
