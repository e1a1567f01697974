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
	for i := range 3 {
		if n, looked := p.get(look); n != 1 || looked != (i == 0) {
			t.Fatalf("call %d: look %d, just now: %v", i, n, looked)
		}
	}
	p.forget()
	during := func() int {
		p.forget() // a program is executed meanwhile
		return look()
	}
	if n, looked := p.get(during); n != 2 || !looked {
		t.Errorf("look %d after the first program, want 2", n)
	}
	for i := range 2 {
		if n, looked := p.get(look); n != 3 || looked != (i == 0) {
			t.Errorf("call %d: look %d after the second program, want 3, just now: %v", i, n, looked)
		}
	}
}
