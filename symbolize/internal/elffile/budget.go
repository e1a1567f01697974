package elffile

import "errors"

// ErrBudget is returned when files have cost as much as they may. It is a
// guard against files made to exhaust the tool, which runs as root on behalf
// of processes that it does not trust; no real program comes near.
var ErrBudget = errors.New("too large to read in full")

// Limits of a Budget from NewBudget.
const (
	maxKept = 1 << 30 // bytes
	maxWork = 8 << 30 // bytes
)

// Budget bounds what reading one process's files may cost in total.
type Budget struct {
	kept, work uint64
}

// NewBudget returns a budget of 1 GiB of memory and 8 GiB of parsed input.
func NewBudget() *Budget { return &Budget{kept: maxKept, work: maxWork} }

// Keep takes n bytes of memory that stay allocated. It returns ErrBudget, and
// takes nothing, where fewer are left.
func (b *Budget) Keep(n uint64) error { return take(&b.kept, n) }

// Release gives memory back.
func (b *Budget) Release(n uint64) { b.kept = min(b.kept+n, maxKept) }

// Work takes n bytes of input to parse. It returns ErrBudget, and takes
// nothing, where fewer are left.
func (b *Budget) Work(n uint64) error { return take(&b.work, n) }

func take(left *uint64, n uint64) error {
	if n > *left {
		return ErrBudget
	}
	*left -= n
	return nil
}
