package symbolize

import "sync"

// mostNames is how many addresses Names remembers.
const mostNames = 1 << 17

// Names are what addresses in files are called, for processes that share files: to read the
// symbols of a C library takes longer than many a process lives. The zero Names is empty. It is
// safe for concurrent use.
type Names struct {
	mu    sync.Mutex
	files map[fileID]map[uint64][]level
	n     int
}

// of returns the names of an address in a file.
func (n *Names) of(file fileID, vaddr uint64) ([]level, bool) {
	if n == nil {
		return nil, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	levels, ok := n.files[file][vaddr]
	return levels, ok
}

func (n *Names) put(file fileID, vaddr uint64, levels []level) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.n >= mostNames || n.files == nil {
		n.files, n.n = make(map[fileID]map[uint64][]level), 0
	}
	if n.files[file] == nil {
		n.files[file] = make(map[uint64][]level)
	}
	n.files[file][vaddr] = levels
	n.n++
}
