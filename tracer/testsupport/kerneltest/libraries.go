package kerneltest

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// libraryDirs are the places that Debian's dynamic loader searches without a cache. The guest
// has no cache.
var libraryDirs = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib",
}

// needs is what the dynamic loader needs to start a program or load a library.
type needs struct {
	interpreter string   // empty for libraries and static programs
	libraries   []string // names, or paths if they have a slash
	dirs        []string // of DT_RUNPATH and DT_RPATH, before libraryDirs
}

// elfNeeds reads the dynamic section of a file. A file that is not ELF, or is static, needs
// nothing.
func elfNeeds(name string) (needs, error) {
	var n needs
	file, err := os.Open(name)
	if err != nil {
		return n, err
	}
	defer file.Close()
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return n, nil
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return n, fmt.Errorf("parse ELF file %s: %w", name, err)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return n, nil
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz == 0 || f.Section(".interp") == nil ||
			f.Section(".interp").Type == elf.SHT_NOBITS { // a file of debug data only
			continue
		}
		path := make([]byte, p.Filesz)
		if _, err := p.ReadAt(path, 0); err != nil {
			return n, fmt.Errorf("read interpreter of %s: %w", name, err)
		}
		n.interpreter = strings.TrimRight(string(path), "\x00")
	}
	if n.libraries, err = f.DynString(elf.DT_NEEDED); err != nil {
		return n, fmt.Errorf("read libraries of %s: %w", name, err)
	}
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		lists, err := f.DynString(tag)
		if err != nil {
			return n, fmt.Errorf("read search path of %s: %w", name, err)
		}
		for _, list := range lists {
			n.dirs = append(n.dirs, filepath.SplitList(list)...)
		}
	}
	return n, nil
}

// libraryClosure returns the host paths of the loader and of the libraries that a file needs,
// directly or indirectly. It leaves out the libraries whose names are known: the guest gets
// them among its own files.
func libraryClosure(name string, known map[string]bool) ([]string, error) {
	var found []string
	done := map[string]bool{}
	queue := []string{name}
	for len(queue) > 0 {
		n, err := elfNeeds(queue[0])
		if err != nil {
			return nil, err
		}
		if n.interpreter != "" && !done[n.interpreter] {
			done[n.interpreter] = true
			found = append(found, n.interpreter)
		}
		dir := filepath.Dir(queue[0])
		queue = queue[1:]
		wanted := n.libraries
		if len(wanted) > 0 {
			// pthread_exit and pthread_cancel load it by name.
			wanted = append(wanted, "libgcc_s.so.1")
		}
		for i, lib := range wanted {
			if done[lib] || known[lib] {
				continue
			}
			done[lib] = true
			path, err := findLibrary(lib, dir, n.dirs)
			if err != nil {
				if i == len(n.libraries) {
					continue // the optional one
				}
				return nil, fmt.Errorf("find library of %s: %w", name, err)
			}
			found = append(found, path)
			queue = append(queue, path)
		}
	}
	return found, nil
}

// findLibrary searches as ld.so(8) does, for a file in the directory origin with the given
// search path.
func findLibrary(lib, origin string, runpath []string) (string, error) {
	candidates := []string{lib}
	if !strings.Contains(lib, "/") {
		candidates = nil
		for _, dir := range runpath {
			dir = strings.NewReplacer("$ORIGIN", origin, "${ORIGIN}", origin).Replace(dir)
			candidates = append(candidates, filepath.Join(dir, lib))
		}
		for _, dir := range libraryDirs {
			candidates = append(candidates, filepath.Join(dir, lib))
		}
	}
	for _, path := range candidates {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s is in none of the loader's directories", lib)
}
