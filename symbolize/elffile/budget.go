package elffile

import "errors"

// ErrBudget is returned when files have cost as much as they may. It guards against files made
// to exhaust the tool, which runs as root on behalf of processes that it does not trust. No
// real program comes near.
var ErrBudget = errors.New("too large to read in full")

// These are the limits of a Budget from NewBudget.
const (
	maxKept = 128 << 20 // bytes
	maxWork = 8 << 30   // bytes
)

// Budget bounds the total cost of reading one process's files.
type Budget struct {
	kept, work uint64
}

// NewBudget returns a budget of 128 MiB of memory and 8 GiB of parsed input.
func NewBudget() *Budget { return &Budget{kept: maxKept, work: maxWork} }

// NewFileBudget returns a budget for reading one file that is not kept: 64 MiB of memory and 1
// GiB of input.
func NewFileBudget() *Budget { return &Budget{kept: 64 << 20, work: 1 << 30} }

// Keep takes n bytes of memory that stay allocated. If fewer are left it returns ErrBudget and
// takes nothing.
func (b *Budget) Keep(n uint64) error { return take(&b.kept, n) }

// Release gives back n bytes of memory.
func (b *Budget) Release(n uint64) { b.kept += n }

// Work takes n bytes of input to parse. If fewer are left it returns ErrBudget and takes
// nothing.
func (b *Budget) Work(n uint64) error { return take(&b.work, n) }

func take(left *uint64, n uint64) error {
	if n > *left {
		return ErrBudget
	}
	*left -= n
	return nil
}
