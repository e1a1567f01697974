package kerneltest

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// command is what init runs, as init reads it from commandFile.
type command struct {
	Args []string
	Env  []string
	Dir  string
}

// commandFile must match init's own constant.
const commandFile = "/etc/kerneltest.json"

// skeleton are the directories that every guest has.
var skeleton = []string{
	"/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/var/tmp",
	"/usr/bin", "/usr/lib", "/usr/lib64", "/usr/sbin",
}

// merged are links into /usr as on every Debian system, so that a library has the same path in
// /proc/PID/maps as on one.
var merged = []string{"/bin", "/lib", "/lib64", "/sbin"}

// initramfs is the file system of a guest: what is at each path.
type initramfs struct {
	files map[string]string // guest path -> host path
	texts map[string]string // guest path -> content
	links map[string]string // guest path -> target
}

// layout collects the files of a guest, the libraries they need, and init.
func layout(g Guest, initPath string) (*initramfs, error) {
	fsys := &initramfs{
		files: map[string]string{"/init": initPath},
		texts: map[string]string{
			"/etc/passwd": "root:x:0:0:root:/root:/bin/false\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n",
			"/etc/group":  "root:x:0:\nnogroup:x:65534:\n",
		},
		links: map[string]string{},
	}
	config, err := json.Marshal(command{Args: g.Command, Env: g.Env, Dir: g.Dir})
	if err != nil {
		return nil, err
	}
	fsys.texts[commandFile] = string(config)
	for guest, host := range g.Files {
		if err := fsys.addTree(guest, host); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	for guest := range fsys.files {
		known[path.Base(guest)] = true
	}
	for _, host := range slices.Sorted(maps.Values(fsys.files)) {
		libraries, err := libraryClosure(host, known)
		if err != nil {
			return nil, err
		}
		for _, lib := range libraries {
			if err := fsys.addLibrary(lib); err != nil {
				return nil, err
			}
		}
	}
	return fsys, nil
}

// addTree adds a file, or all the files below a directory. Links are followed.
func (fsys *initramfs) addTree(guest, host string) error {
	return filepath.WalkDir(host, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		stat, err := os.Stat(name)
		if err != nil || !stat.Mode().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(host, name)
		if err != nil {
			return err
		}
		fsys.files[unmerge(path.Join("/", guest, filepath.ToSlash(rel)))] = name
		return nil
	})
}

// addLibrary adds a library at its host path. If that is a link, it adds the file behind it at
// the file's own path.
func (fsys *initramfs) addLibrary(name string) error {
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	link, target := unmerge(name), unmerge(resolved)
	if _, ok := fsys.files[target]; !ok {
		fsys.files[target] = resolved
	}
	if _, ok := fsys.files[link]; !ok && link != target {
		fsys.links[link] = target
	}
	return nil
}

// unmerge returns a path without the links of merged.
func unmerge(name string) string {
	for _, dir := range merged {
		if strings.HasPrefix(name, dir+"/") {
			return "/usr" + name
		}
	}
	return name
}

// write writes the file system as an archive for the kernel. It is not compressed: an emulated
// machine takes longer to unpack a compressed one than to load a plain one.
func (fsys *initramfs) write(w io.Writer) error {
	c := newCPIOWriter(w)
	for _, dir := range skeleton {
		if err := c.dir(dir); err != nil {
			return err
		}
	}
	for _, dir := range merged {
		if err := c.symlink(dir, "usr"+dir); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fsys.texts)) {
		text := fsys.texts[name]
		if err := c.file(name, 0o644, int64(len(text)), strings.NewReader(text)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fsys.files)) {
		if err := copyIn(c, name, fsys.files[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fsys.links)) {
		if err := c.symlink(name, fsys.links[name]); err != nil {
			return err
		}
	}
	return c.close()
}

func copyIn(c *cpioWriter, guest, host string) error {
	f, err := os.Open(host)
	if err != nil {
		return err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	if !stat.Mode().IsRegular() {
		return fmt.Errorf("add %s: not a regular file", host)
	}
	return c.file(guest, uint32(stat.Mode().Perm()), stat.Size(), f)
}
