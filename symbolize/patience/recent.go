package patience

import "sync"

// Recent remembers what was found in files, by everything that the file system says of them.
type Recent[T any] struct {
	most  int
	mu    sync.Mutex
	files map[Info]T
}

// NewRecent returns a Recent for that many files at most.
func NewRecent[T any](most int) *Recent[T] { return &Recent[T]{most: most, files: make(map[Info]T)} }

// Get returns what was found in a file. It is what was put there: whoever changes it copies it.
func (r *Recent[T]) Get(file Info) (found T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok = r.files[file]
	return found, ok
}

// Put notes what was found in a file. If there is no room, any other one is forgotten. A file
// without an inode cannot be told from others, and is not noted.
func (r *Recent[T]) Put(file Info, found T) {
	if file.Inode == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.files[file]; !known && len(r.files) >= r.most {
		for other := range r.files {
			delete(r.files, other)
			break
		}
	}
	r.files[file] = found
}
