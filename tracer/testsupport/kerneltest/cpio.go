package kerneltest

import (
	"fmt"
	"io"
	"path"
	"strings"
)

// File types of cpio's mode field, as in stat(2).
const (
	modeDir     = 0o040000
	modeRegular = 0o100000
	modeSymlink = 0o120000
)

// cpioWriter writes an archive in the format that the kernel unpacks as an initramfs, "newc"
// of cpio(5). It adds parent directories by itself. It is hand-written:
// github.com/cavaliergopher/cpio would save some 30 lines, but truncates the size of a file of
// 4 GiB without an error (docs/LIBRARIES.md).
type cpioWriter struct {
	w     io.Writer
	off   int64
	inode uint32
	seen  map[string]bool
}

func newCPIOWriter(w io.Writer) *cpioWriter {
	return &cpioWriter{w: w, seen: map[string]bool{"/": true}}
}

// dir adds a directory and those above it, if they are not there yet.
func (c *cpioWriter) dir(name string) error {
	if c.seen[path.Clean("/"+name)] {
		return nil
	}
	return c.add(name, modeDir|0o755, 0, strings.NewReader(""))
}

// symlink adds a symbolic link.
func (c *cpioWriter) symlink(name, target string) error {
	return c.add(name, modeSymlink|0o777, int64(len(target)), strings.NewReader(target))
}

// file adds a regular file of exactly size bytes with permission bits perm.
func (c *cpioWriter) file(name string, perm uint32, size int64, content io.Reader) error {
	return c.add(name, modeRegular|perm&0o7777, size, content)
}

// close ends the archive.
func (c *cpioWriter) close() error {
	c.inode = 0
	return c.entry("TRAILER!!!", 0, 0, strings.NewReader(""))
}

func (c *cpioWriter) add(name string, mode uint32, size int64, content io.Reader) error {
	name = path.Clean("/" + name)
	if c.seen[name] {
		return fmt.Errorf("add %s to archive: it is there already", name)
	}
	if err := c.dir(path.Dir(name)); err != nil {
		return err
	}
	c.seen[name] = true
	c.inode++
	if err := c.entry(name[1:], mode, size, content); err != nil {
		return fmt.Errorf("add %s to archive: %w", name, err)
	}
	return nil
}

func (c *cpioWriter) entry(name string, mode uint32, size int64, content io.Reader) error {
	if size < 0 || size > 1<<32-1 {
		return fmt.Errorf("size %d does not fit the format", size)
	}
	header := fmt.Sprintf("070701"+strings.Repeat("%08X", 13),
		c.inode, mode, 0, 0, // uid, gid
		1, 0, size, // links, mtime
		0, 0, 0, 0, // device and special file numbers
		len(name)+1, 0) // checksum, unused in this variant
	if err := c.padded(strings.NewReader(header+name+"\x00"), int64(len(header)+len(name)+1)); err != nil {
		return err
	}
	return c.padded(content, size)
}

// padded copies size bytes and fills up to a multiple of four.
func (c *cpioWriter) padded(r io.Reader, size int64) error {
	if _, err := io.CopyN(c.w, r, size); err != nil {
		return err
	}
	c.off += size
	fill := -c.off & 3
	c.off += fill
	_, err := io.WriteString(c.w, "\x00\x00\x00"[:fill])
	return err
}
