package ptmalloc

import "testing"

// What a program frees into its threads' caches is not free for malloc, and counted apart.
func TestCached(t *testing.T) {
	p := start(t)
	c := NewChecker(p.heap)
	cached := func() Sum {
		t.Helper()
		sum, ok := c.Cached()
		if !ok {
			t.Fatal("the caches were not found")
		}
		return sum
	}
	p.alloc(200, 5)
	if v := p.heap.Layout.Version; !v.before(Version{2, 42}) {
		if sum, ok := c.Cached(); ok {
			t.Errorf("the caches of glibc %v count %+v, which they do not tell", v, sum)
		}
		return
	}
	p.alloc(900, 3)
	before, info := cached(), p.info()
	p.do("free")
	after := cached()
	if got, want := (Sum{after.Chunks - before.Chunks, after.Bytes - before.Bytes}), (Sum{8, 5*208 + 3*912}); got != want {
		t.Errorf("%+v went to the caches, want %+v", got, want)
	}
	if got := p.info(); got.fordblks != info.fordblks {
		t.Errorf("%d bytes are free for malloc, want %d", got.fordblks, info.fordblks)
	}
	p.do("fragment 4000")
	p.do("threads 5")
	one := cached()
	if arenas := p.arenas(); len(arenas.Arenas) != 6 || one.Chunks < 6*7*5 {
		t.Errorf("%+v in the caches of %d threads", one, len(arenas.Arenas))
	}
}
