// Keeps memory of Go's own heap, a step for each line of input.
package main

import (
	"bufio"
	"fmt"
	"os"
)

var kept [][]byte

//go:noinline
func keep() { kept = append(kept, make([]byte, 16<<20)) }

func main() {
	input := bufio.NewScanner(os.Stdin)
	fmt.Println("ready", os.Getpid())
	for input.Scan() {
		keep()
		fmt.Println("done")
	}
}
