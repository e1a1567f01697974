package patience

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what is known of a file, as from stat(2).
type Info struct {
	Dev, Inode, Mode     uint64
	Size                 int64
	Seconds, Nanoseconds int64 // when it was last written to
	UID, Links           uint64
	// FileSystem is its type (include/uapi/linux/magic.h), 0 if unknown.
	FileSystem int64
}

// Regular reports whether the file is a regular file.
func (i *Info) Regular() bool { return i.Mode&unix.S_IFMT == unix.S_IFREG }

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Dev: st.Dev, Inode: st.Ino, Mode: uint64(st.Mode), Size: st.Size,
		Seconds: int64(st.Mtim.Sec), Nanoseconds: int64(st.Mtim.Nsec),
		UID: uint64(st.Uid), Links: uint64(st.Nlink),
	}
}

// ErrNotRegular means that a path does not lead to a regular file.
var ErrNotRegular = errors.New("not a regular file")

// File is an open regular file. If its file system may be in user space, the child opens and
// reads it. It is not safe for concurrent use.
type File struct {
	Info
	name   string
	handle int      // O_PATH, or -1 if file is set
	file   *os.File // nil if the child reads the file
	id     uint64
	// waited is how long the child has taken to read bytes in pieces.
	waited time.Duration
	pieces int
	bytes  int64
}

var lastID atomic.Uint64

// OpenHandle opens the file that an O_PATH descriptor refers to, and takes over the
// descriptor. name is the name for messages.
func OpenHandle(handle int, name string) (_ *File, err error) {
	f := &File{handle: handle, name: name, id: lastID.Add(1)}
	defer func() {
		if err != nil {
			_ = f.Close() // the first error counts
		}
	}()
	// Ask only the kernel's copy, not the file system.
	var st unix.Statx_t
	if unix.Statx(handle, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st) == nil {
		f.Dev, f.Inode = unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino
	}
	a, _, err := shared.ask(&question{Path: f.path(), ID: f.id}, f.Dev, name, Limit)
	switch {
	case errors.Is(err, errNoChild):
		a.Local = true // there is no other way
	case err != nil:
		return nil, err
	default:
		f.Info = a.Info
		if !f.Regular() {
			return nil, ErrNotRegular
		}
	}
	if !a.Local {
		return f, nil
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", handle), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f.file = os.NewFile(uintptr(fd), name)
	_ = unix.Close(handle) // it was never used for anything else
	f.handle = -1
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return nil, err
	}
	system := f.FileSystem
	f.Info = infoOf(&now)
	f.FileSystem = system
	if !f.Regular() {
		return nil, ErrNotRegular
	}
	return f, nil
}

// path is the path by which the child reaches the file.
func (f *File) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.handle) }

// Generation returns the number that tells the file from others that had its inode before or
// after. ok is false where the file system has none, or none that can be asked for.
func (f *File) Generation() (number uint64, ok bool) {
	if f.file == nil {
		return 0, false
	}
	const getVersion = 0x80087601 // FS_IOC_GETVERSION of include/uapi/linux/fs.h
	n, err := unix.IoctlGetUint32(int(f.file.Fd()), getVersion)
	return uint64(n), err == nil
}

// OpenPath returns a path by which this process can open the file, until Close. Opening it
// needs an answer from the file system.
func (f *File) OpenPath() string {
	if f.file != nil {
		return fmt.Sprintf("/proc/self/fd/%d", f.file.Fd())
	}
	return fmt.Sprintf("/proc/self/fd/%d", f.handle)
}

// Dup returns the same file, open once more. It asks no file system.
func (f *File) Dup() (*File, error) {
	fd := f.handle
	if f.file != nil {
		fd = int(f.file.Fd())
	}
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	d := &File{Info: f.Info, name: f.name, handle: fd, id: lastID.Add(1)}
	if f.file != nil {
		d.file, d.handle = os.NewFile(uintptr(fd), f.name), -1
	}
	return d, nil
}

// Close closes the file. It does not wait for a file system.
func (f *File) Close() error {
	if f.file != nil {
		return f.file.Close()
	}
	return unix.Close(f.handle)
}

// A file gets Limit, plus for every piece the time that a slow disk takes to seek and to read
// it.
const (
	seekTime       = 20 * time.Millisecond
	bytesPerSecond = 10 << 20
)

// ReadAt implements io.ReaderAt. It returns a *NoAnswerError if the file system takes too
// long.
func (f *File) ReadAt(b []byte, off int64) (n int, err error) {
	if f.file != nil {
		return f.file.ReadAt(b, off)
	}
	for n < len(b) {
		size := min(len(b)-n, maxPiece)
		f.pieces++
		f.bytes += int64(size)
		left := Limit + time.Duration(f.pieces)*seekTime + time.Duration(f.bytes)*time.Second/bytesPerSecond - f.waited
		start := time.Now()
		q := question{Path: f.path(), ID: f.id, Off: off + int64(n), Size: int64(size)}
		_, data, err := shared.ask(&q, f.Dev, f.name, min(left, Limit))
		f.waited += time.Since(start)
		if err != nil {
			return n, err
		}
		if len(data) == 0 {
			return n, io.EOF
		}
		n += copy(b[n:], data)
	}
	return n, nil
}

// OpenHost opens a file in this process's own file system.
func OpenHost(path string) (*File, error) { return openBy("", -1, path, 0, path) }

// OpenBelow opens a file by its path below a directory, using the RESOLVE flags of openat2(2).
// At least one flag must be set.
func OpenBelow(root *os.File, path string, resolve uint64) (*File, error) {
	return openBy(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root.Fd()), int(root.Fd()), path, resolve, "/"+path)
}

// openBy first makes the child look up the path.
func openBy(root string, fd int, path string, resolve uint64, name string) (*File, error) {
	q := question{Root: root, Resolve: resolve, Path: path, ID: lastID.Add(1)}
	if _, _, err := shared.ask(&q, 0, name, Limit); err != nil && !errors.Is(err, errNoChild) {
		return nil, err
	}
	var handle int
	var err error
	if resolve == 0 {
		handle, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	} else {
		handle, err = unix.Openat2(fd, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return OpenHandle(handle, name)
}
