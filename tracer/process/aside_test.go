package process

import (
	"testing"
	"time"
)

// What is set aside is not memtrace's own time, neither while it goes on nor afterwards.
func TestAside(t *testing.T) {
	const work = 200 * time.Millisecond
	burn := func() {
		for start := allTime(); allTime()-start < work; {
		}
	}
	before := OwnTime()
	burn()
	if used := OwnTime() - before; used < work {
		t.Errorf("%v of %v count", used, work)
	}
	before = OwnTime()
	end := Aside()
	burn()
	during := OwnTime() - before
	end()
	after := OwnTime() - before
	if during > work/2 || after > work/2 {
		t.Errorf("of %v set aside %v count meanwhile, %v in the end", work, during, after)
	}
}

// What works for a goroutine is set aside with it, and only then.
func TestAsideToo(t *testing.T) {
	const work = 100 * time.Millisecond
	used := func() time.Duration {
		before := OwnTime()
		begin, done := asideToo(), make(chan struct{})
		go func() {
			defer close(done)
			defer begin()()
			for start := allTime(); allTime()-start < work; {
			}
		}()
		<-done
		return OwnTime() - before
	}
	if d := used(); d < work {
		t.Errorf("%v of %v count", d, work)
	}
	end := Aside()
	d := used()
	end()
	if d > work/2 {
		t.Errorf("of %v set aside %v count", work, d)
	}
}
