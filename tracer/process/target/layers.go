package target

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"memtrace/symbolize/patience"
	"memtrace/symbolize/procmaps"
)

// On overlayfs a process maps the file of a layer, and the kernel identifies probes by that
// file. Once the file is written to, or its owner or times are changed, every path of the
// overlay leads to a copy in the upper layer, even the paths of /proc/PID/map_files. The
// process still has the old file mapped.

// Layers opens an object's file as it is in the layers of the overlay that it is mapped from.
// It returns none if the file is not on an overlay. The files hold the code that is in memory.
// The caller makes each of them Replace the object, or closes it.
func (t *Target) Layers(o *Object) []*Object {
	maps, err := readMaps(t.PID)
	if err != nil {
		return nil
	}
	var layers []*Object
	for _, path := range t.layerPaths(o, maps) {
		file, err := openBeneath(path)
		if err != nil {
			continue
		}
		layer, err := o.as(file, t.namedIn(o.Path))
		if err != nil || layer == nil || t.checkPatched(layer, maps) != nil {
			file.Close()
			continue
		}
		layers = append(layers, layer)
	}
	return layers
}

// as returns the object with the file of another path.
func (o *Object) as(file *patience.File, named *Named) (*Object, error) {
	layer := &Object{file: file}
	if o.Family == "" { // the program
		f, err := openELF(file)
		if err != nil {
			return nil, err
		}
		layer.findEntry(f)
	} else {
		var err error
		if layer, err = readNamed(file, named); layer == nil || err != nil {
			return nil, err
		}
	}
	layer.ID, layer.Path = o.ID, o.Path
	return layer, nil
}

// Replace turns the object into another one and takes over its file.
func (o *Object) Replace(by *Object) {
	o.file.Close()
	*o = *by
}

// Close closes the file of an object that belongs to no target.
func (o *Object) Close() { o.file.Close() }

// layerPath is a file of a layer: the layer's folder, and the path from there.
type layerPath struct{ dir, rel string }

// layerPaths lists where a mapped file may be in the layers of its overlay, most likely place
// first. Layers are named as whoever mounted them saw them, who may be in memtrace's mount
// namespace or in the process's.
func (t *Target) layerPaths(o *Object, maps []*procfs.ProcMap) []layerPath {
	var mapped *procfs.ProcMap
	for _, m := range maps {
		if m.Inode != 0 && o.ID == (FileID{m.Dev, m.Inode}) {
			mapped = m
			break
		}
	}
	if mapped == nil {
		return nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", t.PID))
	if err != nil {
		return nil
	}
	path := strings.TrimSuffix(mapped.Pathname, " (deleted)")
	var paths []layerPath
	for line := range strings.Lines(string(text)) {
		m, ok := parseOverlay(line)
		if !ok {
			continue
		}
		rel, ok := under(path, m.point)
		if !ok {
			continue
		}
		rel = strings.TrimPrefix(filepath.Join(m.root, rel), "/")
		for _, root := range []string{"", fmt.Sprintf("/proc/%d/root", t.PID)} {
			for _, layer := range m.layers {
				paths = append(paths, layerPath{root + layer, rel})
			}
		}
	}
	return paths
}

// under returns the part of a path below a folder.
func under(path, dir string) (string, bool) {
	rel, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return strings.TrimPrefix(rel, "/"), ok && strings.HasPrefix(rel, "/")
}

// overlay is a mount of an overlay.
type overlay struct {
	root, point string
	// layers are folders, from the uppermost read-only one down, then the upper one.
	layers []string
}

// parseOverlay reads a line of /proc/PID/mountinfo (Documentation/filesystems/proc.rst), with
// the options that fs/overlayfs/params.c writes. It leaves out layers with a relative path,
// because what that is relative to is not known.
func parseOverlay(line string) (m overlay, ok bool) {
	mount, super, ok := strings.Cut(line, " - ")
	fields, of := strings.Fields(mount), strings.Fields(super)
	if !ok || len(fields) < 5 || len(of) < 3 || of[0] != "overlay" {
		return m, false
	}
	m.root, m.point = procmaps.Unescape(fields[3]), procmaps.Unescape(fields[4])
	var upper []string
	for _, option := range splitEscaped(of[2], ',') {
		name, value, _ := strings.Cut(procmaps.Unescape(option), "=")
		switch name {
		case "lowerdir":
			m.layers = append(m.layers, splitEscaped(value, ':')...)
		case "lowerdir+", "datadir+":
			m.layers = append(m.layers, value)
		case "upperdir":
			upper = append(upper, value)
		}
	}
	var absolute []string
	for _, layer := range append(m.layers, upper...) {
		if layer = unquote(layer); filepath.IsAbs(layer) {
			absolute = append(absolute, layer)
		}
	}
	m.layers = absolute
	return m, len(absolute) > 0
}

// unquote removes the backslashes that overlayfs wants before some characters.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// splitEscaped splits at each separator that has no backslash before it.
func splitEscaped(s string, separator byte) (parts []string) {
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// openBeneath opens a regular file of a layer, without following a link on the way.
func openBeneath(path layerPath) (*patience.File, error) {
	fd, err := unix.Open(path.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), path.dir)
	defer dir.Close()
	return patience.OpenBelow(dir, path.rel, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
}
