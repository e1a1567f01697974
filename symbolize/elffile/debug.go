package elffile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// DebugDir is where distributions install separate debug files.
const DebugDir = "/usr/lib/debug"

// errNoDebugFile means that there is no debug file of a build.
var errNoDebugFile = errors.New("no debug file of this build")

// OpenDebug opens the separate debug file of a build by its build ID, below the first directory that has
// it, such as DebugDir, in the tool's own file system. The caller closes what it is read from.
func OpenDebug(folders []string, f *File) (file *os.File, debug *File, err error) {
	err = errNoDebugFile
	for _, folder := range folders {
		if file, debug, err = openDebug(folder, f); err == nil {
			break
		}
	}
	return file, debug, err
}

func openDebug(folder string, f *File) (*os.File, *File, error) {
	id := f.BuildID()
	const shortest = 8 // digits
	if folder == "" || len(id) < shortest {
		return nil, nil, errNoDebugFile
	}
	path := filepath.Join(folder, ".build-id", id[:2], id[2:]+".debug")
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoDebugFile
	}
	var debug *File
	if err == nil {
		debug, err = Open(file, info.Size(), NewFileBudget())
	}
	if err == nil && (debug.Machine != f.Machine || debug.BuildID() != id) {
		err = errNoDebugFile
	}
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	return file, debug, nil
}
