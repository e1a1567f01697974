package symbolize

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/patience"
)

// fileID tells files apart, and also a file from itself after a change.
type fileID struct {
	dev, inode uint64
	size       int64
	mtime      time.Time
}

// regular is an open regular file.
type regular struct {
	*patience.File
	id fileID
}

// modified returns when the file was last written to.
func (r *regular) modified() time.Time { return r.id.mtime }

func asRegular(f *patience.File, err error) (*regular, error) {
	if err != nil {
		return nil, err
	}
	return &regular{File: f, id: fileID{
		dev: f.Dev, inode: f.Inode, size: f.Size, mtime: time.Unix(f.Seconds, f.Nanoseconds),
	}}, nil
}

// openHost opens a path of the tool's own mount namespace.
func openHost(path string) (*regular, error) { return asRegular(patience.OpenHost(path)) }

// openInRoot opens a path below a directory as if that directory were the root: neither ".."
// nor symbolic links lead out of it. resolve adds flags such as RESOLVE_NO_SYMLINKS. Needs
// Linux 5.6.
func openInRoot(root *os.File, path string, resolve uint64) (*regular, error) {
	if root == nil {
		return nil, os.ErrNotExist
	}
	resolve |= unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	path = strings.TrimLeft(path, "/")
	for range 3 {
		file, err := asRegular(patience.OpenBelow(root, path, resolve))
		if errors.Is(err, unix.EAGAIN) { // the kernel could not rule out an escape by a rename
			continue
		}
		return file, err
	}
	return nil, unix.EAGAIN
}

// openMapped opens the file behind a mapping. proc is the process's directory in /proc, and root
// and generation are as for openPath.
//
// map_files leads to the mapped file itself, even if the file was replaced or deleted or its
// path now means another file. It needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. The path is
// the second choice.
func openMapped(proc, root *os.File, e *mapsEntry, generation uint64) (*regular, error) {
	link := fmt.Sprintf("map_files/%x-%x", e.start, e.end)
	fd, err := unix.Openat(int(proc.Fd()), link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		// Another file may have been mapped at the same place since maps was read.
		target := make([]byte, unix.PathMax)
		n, linkErr := unix.Readlinkat(int(proc.Fd()), link, target)
		if linkErr == nil && string(target[:n]) == e.path {
			return asRegular(patience.OpenHandle(fd, e.name()))
		}
		unix.Close(fd)
	}
	return openPath(root, e, generation)
}

// openPath opens the file behind a mapping by its path, if that still leads to it. root is the
// process's root directory. generation is the inode's, 0 if it is not known.
func openPath(root *os.File, e *mapsEntry, generation uint64) (*regular, error) {
	file, err := openInRoot(root, e.path, 0)
	if err != nil {
		return nil, err
	}
	// There the kernel may show another device in maps than in stat.
	otherDev := file.FileSystem == unix.BTRFS_SUPER_MAGIC || file.FileSystem == unix.OVERLAYFS_SUPER_MAGIC
	if file.id.inode != e.inode || file.id.dev != e.dev && !otherDev || !file.isGeneration(generation) {
		file.Close()
		return nil, fmt.Errorf("another file by now: %w", os.ErrNotExist)
	}
	return file, nil
}

// isGeneration reports whether a file may have a generation, 0 if that is not known.
func (r *regular) isGeneration(generation uint64) bool {
	now, numbered := r.Generation()
	return !numbered || generation == 0 || now == generation
}
