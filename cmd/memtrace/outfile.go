package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// outFile is the file of --output. Nothing is touched before there is a report: then it is
// written beside the file and takes its name, so that a report that cannot be written whole
// leaves what was there before. Further reports are added to it.
type outFile struct {
	path string
	// file is open from the first write on, temporary as long as it has not got its name.
	file      *os.File
	temporary bool
}

// newOutFile finds out whether a file can be written. What is not a regular file, such as a
// pipe or a terminal, is written to as it is.
func newOutFile(path string) (*outFile, error) {
	fail := func(err error) (*outFile, error) { return nil, fmt.Errorf("open the output %s: %w", path, err) }
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		path = pointedTo(path) // a link to nothing is followed: the file comes where it points
	case err != nil:
		return fail(err)
	case info.IsDir():
		return fail(unix.EISDIR)
	case !info.Mode().IsRegular():
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fail(err)
		}
		return &outFile{path: path, file: file}, nil
	default:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fail(err)
		}
		if err := unix.Access(path, unix.W_OK); err != nil {
			return fail(err)
		}
	}
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return fail(err)
	}
	return &outFile{path: path}, nil
}

// pointedTo is where a link points, or the path itself if it is none.
func pointedTo(path string) string {
	to, err := os.Readlink(path)
	switch {
	case err != nil:
		return path
	case filepath.IsAbs(to):
		return to
	}
	return filepath.Join(filepath.Dir(path), to)
}

// sameFile reports whether two paths are of one file, which need not be there yet.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return resolved(a) == resolved(b)
}

// resolved is the path that a file has, or would have, once links are followed.
func resolved(path string) string {
	path = pointedTo(path) // which is not there, or else it goes on below
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.Base(path))
}

// checkOutput refuses an output that would take the place of what a command reads, or also writes.
// Devices and the like keep what they are.
func checkOutput(output string, others ...string) error {
	if output == "" {
		return nil
	}
	if info, err := os.Stat(output); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	for _, other := range others {
		if other != "" && sameFile(output, other) {
			return usagef("--output %s would replace %s: give another name", output, other)
		}
	}
	return nil
}

// Write writes to the file, or to the one beside it that will take its name.
func (f *outFile) Write(text []byte) (int, error) {
	if f.file == nil {
		if err := f.create(); err != nil {
			return 0, err
		}
	}
	return f.file.Write(text)
}

func (f *outFile) create() error {
	file, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	f.file, f.temporary = file, true
	mode := os.FileMode(0o644 &^ umask())
	if info, err := os.Stat(f.path); err == nil {
		mode = info.Mode().Perm()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = file.Chown(int(st.Uid), int(st.Gid)) // root may
		}
	}
	return file.Chmod(mode)
}

// umask is what the process takes off the permissions of the files that it creates.
func umask() int {
	mask := unix.Umask(0)
	unix.Umask(mask)
	return mask
}

// Done is for when a report is written whole: the file gets its name.
func (f *outFile) Done() error {
	if !f.temporary {
		return nil
	}
	if err := os.Rename(f.file.Name(), f.path); err != nil {
		return fmt.Errorf("give the output its name: %w", err)
	}
	f.temporary = false
	return nil
}

// Close closes the file, and removes it if it was not written whole.
func (f *outFile) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	if f.temporary {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

var _ io.WriteCloser = (*outFile)(nil)
