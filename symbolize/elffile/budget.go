package elffile

import "errors"

// ErrBudget is returned when files have cost as much as they may. It is a
// guard against files made to exhaust the tool, which runs as root on behalf
// of processes that it does not trust; no real program comes near.
var ErrBudget = errors.New("too large to read in full")

// Limits of a Budget from NewBudget.
const (
	maxKept = 128 << 20 // bytes
	maxWork = 8 << 30   // bytes
)

// Budget bounds what reading one process's files may cost in total.
type Budget struct {
	kept, work uint64
}

// NewBudget returns a budget of 128 MiB of memory and 8 GiB of parsed input.
func NewBudget() *Budget { return &Budget{kept: maxKept, work: maxWork} }

// NewFileBudget returns a budget for the reading of one file that is only passed
// through: 64 MiB of memory and 1 GiB of input.
func NewFileBudget() *Budget { return &Budget{kept: 64 << 20, work: 1 << 30} }

// Keep takes n bytes of memory that stay allocated. It returns ErrBudget, and
// takes nothing, where fewer are left.
func (b *Budget) Keep(n uint64) error { return take(&b.kept, n) }

// Release gives memory back.
func (b *Budget) Release(n uint64) { b.kept += n }

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
