package process

import (
	"testing"
	"time"
)

// A look that took long is not made again soon, unless what it found is of another program.
func TestPacer(t *testing.T) {
	var p pacer[int]
	looks := 0
	look := func() int {
		looks++
		time.Sleep(20 * time.Millisecond)
		return looks
	}
	for range 3 {
		if n := p.get(look); n != 1 {
			t.Fatalf("look %d", n)
		}
	}
	p.forget()
	during := func() int {
		p.forget() // a program is executed meanwhile
		return look()
	}
	if n := p.get(during); n != 2 {
		t.Errorf("look %d after the first program, want 2", n)
	}
	for range 2 {
		if n := p.get(look); n != 3 {
			t.Errorf("look %d after the second program, want 3", n)
		}
	}
}
