package symbolize

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var errNotRegular = errors.New("not a regular file")

// fileID tells files apart, and one file from itself after a change.
type fileID struct {
	dev, inode uint64
	size       int64
	mtime      unix.Timespec
}

// regular is an open regular file.
type regular struct {
	*os.File
	id    fileID
	uid   uint32
	links uint64
}

// modified is when the file was written to last.
func (r *regular) modified() time.Time { return time.Unix(r.id.mtime.Unix()) }

// openRegular opens for reading what an O_PATH descriptor refers to, if it is
// a regular file. It takes over the descriptor. In two steps, because opening
// a FIFO may wait and opening a device may do anything.
func openRegular(path int) (*regular, error) {
	defer unix.Close(path)
	var st unix.Stat_t
	if err := unix.Fstat(path, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNotRegular
	}
	name := fmt.Sprintf("/proc/self/fd/%d", path)
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &regular{
		File:  os.NewFile(uintptr(fd), name),
		id:    fileID{dev: st.Dev, inode: st.Ino, size: st.Size, mtime: st.Mtim},
		uid:   st.Uid,
		links: uint64(st.Nlink),
	}, nil
}

// openHost opens a path of the tool's own mount namespace.
func openHost(path string) (*regular, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return openRegular(fd)
}

// openInRoot opens a path below a directory as if that were the root: neither
// ".." nor symbolic links lead out of it. Flags such as RESOLVE_NO_SYMLINKS
// can be added. Needs Linux 5.6.
func openInRoot(root *os.File, path string, resolve uint64) (*regular, error) {
	if root == nil {
		return nil, os.ErrNotExist
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | resolve,
	}
	path = strings.TrimLeft(path, "/")
	for range 3 {
		fd, err := unix.Openat2(int(root.Fd()), path, &how)
		if errors.Is(err, unix.EAGAIN) { // the kernel could not rule out an escape by a rename
			continue
		}
		if err != nil {
			return nil, err
		}
		return openRegular(fd)
	}
	return nil, unix.EAGAIN
}

// openMapped opens the file behind a mapping. proc is the process's directory
// in /proc, root the process's root directory.
//
// map_files leads to the mapped file itself, also where it was replaced or
// deleted and where the path means another file by now; it needs
// CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. The path is the second choice, and
// counts only if it leads to the mapped inode. On btrfs and overlayfs maps and
// stat can disagree on the device; such a file is not taken by its path.
func openMapped(proc, root *os.File, e *mapsEntry) (*regular, error) {
	link := fmt.Sprintf("map_files/%x-%x", e.start, e.end)
	fd, err := unix.Openat(int(proc.Fd()), link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		// Another file may have been mapped at the same place since maps was
		// read.
		target := make([]byte, unix.PathMax)
		n, linkErr := unix.Readlinkat(int(proc.Fd()), link, target)
		if linkErr == nil && string(target[:n]) == e.path {
			return openRegular(fd)
		}
		unix.Close(fd)
	}
	file, err := openInRoot(root, e.path, 0)
	if err != nil {
		return nil, err
	}
	if file.id.dev != e.dev || file.id.inode != e.inode {
		file.Close()
		return nil, fmt.Errorf("another file by now: %w", os.ErrNotExist)
	}
	return file, nil
}
