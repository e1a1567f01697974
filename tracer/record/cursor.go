package record

import (
	"encoding/binary"
	"fmt"
)

// cursor reads a payload. After its first error it reads zeros.
type cursor struct {
	left []byte
	err  error
}

func (c *cursor) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", errDamaged, what)
	}
	c.left = nil
}

func (c *cursor) number() uint64 {
	n, size := binary.Uvarint(c.left)
	if size <= 0 {
		c.fail("a number is missing")
		return 0
	}
	c.left = c.left[size:]
	return n
}

// within reads a number of at most most.
func (c *cursor) within(most int, what string) int {
	n := c.number()
	if n > uint64(most) {
		c.fail("too many " + what)
		return 0
	}
	return int(n)
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.left) {
		c.fail("it ends too early")
		return nil
	}
	b := c.left[:n]
	c.left = c.left[n:]
	return b
}

func (c *cursor) byte() byte {
	if b := c.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// text reads a length and as many bytes.
func (c *cursor) text() string { return string(c.bytes(c.within(len(c.left), "bytes"))) }
