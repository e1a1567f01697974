package patience

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// childName is the name of the child, in place of its program's path.
const childName = "memtrace-files"

// maxPiece is the most that the child reads at a time. maxKept is how many files it keeps
// open.
const (
	maxPiece = 1 << 20
	maxKept  = 64
)

// local are the file systems that the kernel itself answers for: those in memory and on block
// devices (include/uapi/linux/magic.h).
var local = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true,
	unix.F2FS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true, unix.RAMFS_MAGIC: true,
	unix.SQUASHFS_MAGIC: true, unix.EROFS_SUPER_MAGIC_V1: true, unix.HUGETLBFS_MAGIC: true,
}

func init() {
	if len(os.Args) == 1 && os.Args[0] == childName {
		serve(os.Stdin, os.Stdout)
		os.Exit(0)
	}
}

// question is a line that names a file to open or, if Size is not 0, to read.
type question struct {
	// Root is the path of the directory that serves as the root, "" for none. Resolve has the
	// openat2(2) flags for Path.
	Root    string
	Resolve uint64
	Path    string
	// ID is the number under which the child keeps the file open.
	ID        uint64
	Off, Size int64
}

const questionFormat = "%q %d %q %d %d %d\n"

func (q *question) fields() []any {
	return []any{&q.Root, &q.Resolve, &q.Path, &q.ID, &q.Off, &q.Size}
}

// answer is a line, followed by the Size bytes that were read.
type answer struct {
	Error unix.Errno
	// Local: opening and reading the file cannot hang.
	Local bool
	Info  Info
	Size  int64
}

const answerFormat = "%d %t %d %d %d %d %d %d %d %d %d %d\n"

func (a *answer) fields() []any {
	i := &a.Info
	return []any{&a.Error, &a.Local, &i.Dev, &i.Inode, &i.Mode, &i.Size, &i.Seconds, &i.Nanoseconds, &i.UID, &i.Links, &i.FileSystem, &a.Size}
}

// values returns what the pointers point to, for printing.
func values(pointers []any) (list []any) {
	for _, p := range pointers {
		switch p := p.(type) {
		case *string:
			list = append(list, *p)
		case *bool:
			list = append(list, *p)
		case *uint32:
			list = append(list, *p)
		case *uint64:
			list = append(list, *p)
		case *int64:
			list = append(list, *p)
		case *unix.Errno:
			list = append(list, uint(*p))
		}
	}
	return list
}

// serve answers questions until there are no more.
func serve(in io.Reader, out io.Writer) {
	kept := make(map[uint64]int)
	buf := make([]byte, maxPiece)
	lines, w := bufio.NewReader(in), bufio.NewWriter(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		var q question
		if _, err := fmt.Sscanf(line, questionFormat, q.fields()...); err != nil {
			return
		}
		var a answer
		err = look(&q, &a, kept, buf)
		if err != nil && !errors.As(err, &a.Error) {
			a.Error = unix.EIO
		}
		if _, err := fmt.Fprintf(w, answerFormat, values(a.fields())...); err != nil {
			return
		}
		if _, err := w.Write(buf[:a.Size]); err != nil || w.Flush() != nil {
			return
		}
	}
}

// look opens the file unless it is kept, and reads what was asked for.
func look(q *question, a *answer, kept map[uint64]int, buf []byte) error {
	fd, ok := kept[q.ID]
	if !ok {
		handle, err := openHandle(q)
		if err != nil {
			return err
		}
		defer unix.Close(handle)
		if fd, err = openFile(handle, q.Size > 0, a); err != nil || fd < 0 {
			return err
		}
		for id, other := range kept {
			if len(kept) < maxKept {
				break
			}
			_ = unix.Close(other) // it was only read
			delete(kept, id)
		}
		kept[q.ID] = fd
	}
	if q.Size == 0 {
		return nil
	}
	n, err := unix.Pread(fd, buf[:min(q.Size, maxPiece)], q.Off)
	a.Size = int64(max(n, 0))
	return err
}

func openHandle(q *question) (int, error) {
	at := unix.AT_FDCWD
	if q.Root != "" {
		fd, err := unix.Open(q.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		defer unix.Close(fd)
		at = fd
	}
	if q.Resolve == 0 {
		return unix.Openat(at, q.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	return unix.Openat2(at, q.Path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: q.Resolve})
}

// openFile opens a regular file; a local one only in order to read it. It takes two steps,
// because opening a FIFO may wait and opening a device may do anything.
func openFile(handle int, toRead bool, a *answer) (fd int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(handle, &st); err != nil {
		return -1, err
	}
	a.Info = infoOf(&st)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(handle, &fs); err == nil {
		a.Info.FileSystem, a.Local = fs.Type, local[fs.Type]
	}
	if a.Local && !toRead || !a.Info.Regular() {
		return -1, nil
	}
	path := fmt.Sprintf("/proc/self/fd/%d", handle)
	return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
}
