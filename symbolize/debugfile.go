package symbolize

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/elffile"
)

const (
	// minBuildID is the shortest build ID to look for, in hexadecimal digits.
	minBuildID = 8
	// maxDebugLink is the largest .gnu_debuglink section: a file name, padding
	// and a checksum.
	maxDebugLink = 512
	// maxChecksummed is the size in bytes of the largest debug file whose checksum is
	// computed.
	maxChecksummed = 4 << 30
)

var errNotMatching = errors.New("debug file is of another build")

// findDebugFile returns the separate debug file of a module, or nil. It looks by build ID
// first and then by debug link, each in the tool's file system and in the target's. Files of
// other builds are skipped.
func (p *Process) findDebugFile(m *module) *elffile.File {
	if m == p.vdso {
		return nil
	}
	if isBuildID(m.gnuID) {
		for _, dir := range p.opt.DebugDirs {
			name := DebugPlace(dir, m.gnuID)
			if f := p.tryDebugFile(m, name, true, nil); f != nil {
				return f
			}
			if f := p.tryDebugFile(m, name, false, nil); f != nil {
				return f
			}
		}
	}
	link, crc, ok := debugLink(m.elf)
	if !ok {
		return nil
	}
	dir := path.Dir(m.entry.name())
	for _, name := range []string{path.Join(dir, link), path.Join(dir, ".debug", link)} {
		if f := p.tryDebugFile(m, name, false, &crc); f != nil {
			return f
		}
	}
	for _, debugDir := range p.opt.DebugDirs {
		name := path.Join(debugDir, dir, link)
		if f := p.tryDebugFile(m, name, true, &crc); f != nil {
			return f
		}
		if f := p.tryDebugFile(m, name, false, &crc); f != nil {
			return f
		}
	}
	return nil
}

// tryDebugFile opens a debug file of the host or the target, and keeps it if it belongs to the
// module.
func (p *Process) tryDebugFile(m *module, name string, host bool, crc *uint32) *elffile.File {
	if p.open >= maxOpenFiles {
		p.problem(m.entry.path, errors.New("debug file not looked for: too many open files"))
		return nil
	}
	var file *regular
	var err error
	if host {
		file, err = openHost(name)
	} else {
		file, err = p.openOwned(name)
	}
	if err == nil && file.id.dev == m.id.dev && file.id.inode == m.id.inode {
		file.Close() // a debug link that leads to the module itself
		return nil
	}
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			p.problem(name, err)
		}
		return nil
	}
	f, err := p.checkDebugFile(m, file, crc)
	if err != nil {
		file.Close()
		p.problem(name, err)
		return nil
	}
	m.debug, m.own = file, m.own || !host
	p.open++
	return f
}

var errNotOwners = errors.New("debug file that the process could not read itself")

// openOwned opens a path in the target's root only if the root's owner could. The owner may
// have made up that root: a symbolic link in it could lead to what only root can see, and a
// hard link be to what only root can read. Read permission for the group does not count.
func (p *Process) openOwned(name string) (*regular, error) {
	file, err := openInRoot(p.root, name, unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("symbolic links are not followed there: %w", err)
	}
	if err != nil {
		return nil, err
	}
	owner := p.status.fsuid
	own := owner == 0 || file.UID == owner && file.Mode&unix.S_IRUSR != 0
	readable := file.Mode&unix.S_IROTH != 0 || p.status.hasFSUID && own
	if !readable {
		_ = file.Close() // nothing was read from it
		return nil, errNotOwners
	}
	return file, nil
}

// checkDebugFile returns an error unless the file is for the same machine and has the module's
// build ID and checksum, as far as these are present.
func (p *Process) checkDebugFile(m *module, file *regular, crc *uint32) (*elffile.File, error) {
	f, err := elffile.Open(file, file.id.size, p.budget)
	if err != nil {
		return nil, err
	}
	id := f.BuildID()
	if f.Machine != m.elf.Machine || id != m.gnuID && (id != "" || crc == nil) {
		return nil, errNotMatching
	}
	if crc == nil {
		return f, nil
	}
	if file.id.size > maxChecksummed {
		return nil, fmt.Errorf("compute checksum: %w", elffile.ErrBudget)
	}
	if err := p.budget.Work(uint64(file.id.size)); err != nil {
		return nil, fmt.Errorf("compute checksum: %w", err)
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, file.id.size)); err != nil {
		return nil, fmt.Errorf("compute checksum: %w", err)
	}
	if sum.Sum32() != *crc {
		return nil, errNotMatching
	}
	return f, nil
}

// debugLink returns the contents of .gnu_debuglink: the name of the debug file, without
// directories, and the file's checksum.
func debugLink(f *elffile.File) (name string, crc uint32, ok bool) {
	data, err := f.Data(f.Section(".gnu_debuglink"), maxDebugLink)
	if err != nil {
		return "", 0, false
	}
	end := bytes.IndexByte(data, 0)
	if end <= 0 {
		return "", 0, false
	}
	name = string(data[:end])
	sum := (end + 1 + 3) &^ 3 // padded to 4 bytes
	if sum+4 > len(data) || strings.Contains(name, "/") || name == "." || name == ".." {
		return "", 0, false
	}
	return name, binary.LittleEndian.Uint32(data[sum:]), true
}
