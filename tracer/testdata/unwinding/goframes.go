// Allocates in C in each of several thousand ways to get there: from goroutines, through
// recursion, through C that calls Go that calls C again, and in Go's own heap.
package main

/*
#include <stdlib.h>

extern void goInner(unsigned ways, int depth);

__attribute__((noinline)) static void c_leaf(int n) {
	void *volatile block = malloc(100 + n);
	free(block);
}

__attribute__((noinline)) static int c_calls_go(unsigned ways, int depth) {
	volatile int padding[30] = {depth};
	goInner(ways, depth);
	return padding[0];
}
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"sync"
)

//export goInner
func goInner(ways C.uint, depth C.int) { descend(uint(ways), int(depth)) }

//go:noinline
func left(ways uint, depth int) byte {
	var large [300]byte
	large[depth] = byte(ways)
	descend(ways>>1, depth-1)
	return large[depth]
}

//go:noinline
func right(ways uint, depth int) { descend(ways>>1, depth-1) }

// descend takes a way for each bit.
//
//go:noinline
func descend(ways uint, depth int) {
	switch {
	case depth == 0:
		C.c_leaf(C.int(ways))
	case depth%5 == 0 && ways&2 != 0:
		C.c_calls_go(C.uint(ways), C.int(depth-1))
	case ways&1 != 0:
		left(ways, depth)
	default:
		right(ways, depth)
	}
}

var kept [][]byte

func main() {
	input := bufio.NewScanner(os.Stdin)
	fmt.Println("ready", os.Getpid())
	for input.Scan() {
		var wait sync.WaitGroup
		for worker := range uint(4) {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for ways := worker; ways < 1<<15; ways += 4 {
					descend(ways, 15)
				}
			}()
		}
		wait.Wait()
		descend(5, 15)
		for range 200 {
			kept = append(kept, make([]byte, 1<<16))
		}
		fmt.Println("done")
	}
}
