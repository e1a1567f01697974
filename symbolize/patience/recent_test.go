package patience

import "testing"

func TestRecent(t *testing.T) {
	const most = 4
	r := NewRecent[int](most)
	r.Put(Info{}, 1)
	if _, ok := r.Get(Info{}); ok {
		t.Error("a file without an inode is remembered")
	}
	for inode := range uint64(10) {
		file := Info{Inode: inode + 1}
		r.Put(file, 0)
		r.Put(file, int(inode))
		if found, ok := r.Get(file); !ok || found != int(inode) {
			t.Errorf("file %d: %d, %v", inode, found, ok)
		}
		known := 0
		for other := range uint64(10) {
			if _, ok := r.Get(Info{Inode: other + 1}); ok {
				known++
			}
		}
		if want := min(int(inode)+1, most); known != want {
			t.Errorf("after %d files %d are remembered, want %d", inode+1, known, want)
		}
	}
	if _, ok := r.Get(Info{Inode: 10, Size: 1}); ok {
		t.Error("a file that has changed is remembered")
	}
}
