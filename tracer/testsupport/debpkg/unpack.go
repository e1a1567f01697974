package debpkg

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// supersededAge is how long an unused unpacked package is kept: another test may still run a
// program from it.
const supersededAge = 24 * time.Hour

// Package is a package's files, unpacked.
type Package struct {
	Name, Version string
	// Dir is where the package's root directory is.
	Dir string
}

// Unpack returns the newest version of a package that the suite has.
func (s *Suite) Unpack(ctx context.Context, name string) (Package, error) {
	return s.unpackAll(ctx, name, name)
}

// unpackAll puts several packages into one directory, called label.
func (s *Suite) unpackAll(ctx context.Context, label string, names ...string) (Package, error) {
	p := Package{Name: label}
	var versions []string
	for _, name := range names {
		control, err := s.Show(ctx, name)
		if err != nil {
			return p, err
		}
		versions = append(versions, Field(control, "Version"))
	}
	p.Version = strings.Join(versions, "_")
	p.Dir = filepath.Join(s.dir, label+"_"+strings.NewReplacer("/", "_", ":", "_").Replace(p.Version))
	if _, err := os.Stat(p.Dir); err != nil {
		if err := s.unpack(ctx, names, p.Dir); err != nil {
			return p, err
		}
	}
	now := time.Now()
	if err := os.Chtimes(p.Dir, now, now); err != nil { // the time of the last use
		return p, err
	}
	return p, s.removeSuperseded(p)
}

// unpack downloads packages and puts their files into dir, all or nothing.
func (s *Suite) unpack(ctx context.Context, names []string, dir string) error {
	tmp := dir + ".part"
	defer os.RemoveAll(tmp)
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	for _, name := range names {
		deb, err := s.Download(ctx, name)
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, tmp).CombinedOutput()
		if err != nil {
			return fmt.Errorf("unpack %s (dpkg-deb of package dpkg): %w: %s", filepath.Base(deb), err, bytes.TrimSpace(out))
		}
		if err := os.Remove(deb); err != nil {
			return err
		}
	}
	if err := relink(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// relink makes absolute symbolic links below root relative. Otherwise they lead to the
// machine's own files.
func relink(root string) error {
	return filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.Type()&os.ModeSymlink == 0 {
			return err
		}
		target, err := os.Readlink(name)
		if err != nil || !filepath.IsAbs(target) {
			return err
		}
		if target, err = filepath.Rel(filepath.Dir(name), filepath.Join(root, target)); err != nil {
			return err
		}
		if err := os.Remove(name); err != nil {
			return err
		}
		return os.Symlink(target, name)
	})
}

func (s *Suite) removeSuperseded(p Package) error {
	all, err := filepath.Glob(filepath.Join(s.dir, p.Name+"_*"))
	if err != nil {
		return err
	}
	for _, dir := range all {
		stat, err := os.Stat(dir)
		if err != nil || dir == p.Dir || time.Since(stat.ModTime()) < supersededAge {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the one regular file of the package whose path in it matches the pattern. Paths
// have no leading slash.
func (p Package) Find(pattern *regexp.Regexp) (string, error) {
	var found []string
	err := filepath.WalkDir(p.Dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(p.Dir, name)
		if err == nil && entry.Type().IsRegular() && pattern.MatchString(inside) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("find %v in package %s %s: got %q, want one file", pattern, p.Name, p.Version, found)
	}
	return found[0], nil
}

// ExtractFile writes to dst the file of a package whose path matches the pattern. Paths have
// no leading slash.
func ExtractFile(ctx context.Context, deb string, pattern *regexp.Regexp, dst string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start dpkg-deb (package dpkg): %w", err)
	}
	tmp := dst + ".part"
	defer os.Remove(tmp)
	found, err := copyFile(tar.NewReader(out), pattern, tmp)
	_, _ = io.Copy(io.Discard, out) // lets dpkg-deb finish; its status tells the rest
	if werr := cmd.Wait(); werr != nil {
		return errors.Join(err, fmt.Errorf("dpkg-deb: %w: %s", werr, strings.TrimSpace(stderr.String())))
	}
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("package holds no file %v", pattern)
	}
	return os.Rename(tmp, dst)
}

func copyFile(archive *tar.Reader, pattern *regexp.Regexp, dst string) (found bool, err error) {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if h.Typeflag != tar.TypeReg || !pattern.MatchString(path.Clean(h.Name)) {
			continue
		}
		f, err := os.Create(dst)
		if err != nil {
			return false, err
		}
		_, err = io.Copy(f, archive)
		return true, errors.Join(err, f.Close())
	}
}
