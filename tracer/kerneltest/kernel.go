package kerneltest

import (
	"archive/tar"
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

	"golang.org/x/sys/unix"
)

// Kernel is the newest kernel of one Debian suite.
type Kernel struct {
	// Suite is the name of the Debian release, such as "bookworm".
	Suite string
	// Want is the prefix of the version that the suite is tested for, such as
	// "6.1". Empty for a suite whose kernel moves on.
	Want string
}

// Kernels returns the kernels that memtrace is tested on, oldest first.
func Kernels() []Kernel {
	return []Kernel{
		{Suite: "bullseye", Want: "5.10"},
		{Suite: "bookworm", Want: "6.1"},
		{Suite: "trixie", Want: "6.12"},
		{Suite: "sid"},
	}
}

// metapackage always depends on the newest kernel of its suite. The cloud
// flavour has the drivers of virtual machines only and all of the tracing
// options of the full one.
const metapackage = "linux-image-cloud-amd64"

var (
	imagePackage = regexp.MustCompile(`^linux-image-(\d.*-cloud-amd64)$`)
	// From 7.0 the image package is empty and depends on the one with the file.
	binaryPackage = regexp.MustCompile(`^linux-binary-(\d.*-cloud-amd64)$`)
	kernelFile    = regexp.MustCompile(`^(\./)?(boot/vmlinuz-\S+|usr/lib/modules/[^/]+/vmlinuz)$`)
)

// image returns the path of the suite's bzImage in the cache, downloading it
// where the suite has a newer one.
func (k Kernel) image(ctx context.Context) (string, error) {
	root, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	dir := filepath.Join(root, "memtrace-kernels", k.Suite)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return "", err
	}
	defer unlock()

	origin, err := machineOrigin()
	if err != nil {
		return "", err
	}
	a := aptRoot{dir: dir, suite: k.Suite, origin: origin}
	if err := a.update(ctx); err != nil {
		return "", err
	}
	pkg, version, err := resolveImage(func(name string) (string, error) { return a.show(ctx, name) })
	if err != nil {
		return "", fmt.Errorf("suite %s of %s: %w", k.Suite, origin.URI, err)
	}
	if k.Want != "" && !strings.HasPrefix(version, k.Want+".") {
		return "", fmt.Errorf("suite %s of %s has kernel %s, want %s", k.Suite, origin.URI, version, k.Want)
	}
	image := filepath.Join(dir, "vmlinuz-"+version)
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	deb, err := a.download(ctx, pkg)
	if err != nil {
		return "", err
	}
	defer os.Remove(deb)
	old, err := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	if err != nil {
		return "", err
	}
	if err := extractKernel(ctx, deb, image); err != nil {
		return "", fmt.Errorf("extract kernel from %s: %w", filepath.Base(deb), err)
	}
	for _, name := range old {
		_ = os.Remove(name) // a superseded kernel only takes up space
	}
	return image, nil
}

// resolveImage follows the metapackage to the package that has the kernel
// file. show returns the control paragraph of a package. The version is the
// kernel's own with the package's revision, so that a rebuild is a new one.
func resolveImage(show func(name string) (string, error)) (pkg, version string, err error) {
	meta, err := show(metapackage)
	if err != nil {
		return "", "", err
	}
	pkg, version = dependency(meta, imagePackage)
	if pkg == "" {
		return "", "", fmt.Errorf("%s depends on no versioned image", metapackage)
	}
	image, err := show(pkg)
	if err != nil {
		return "", "", err
	}
	if binary, _ := dependency(image, binaryPackage); binary != "" {
		pkg = binary
	}
	if revision := controlField(image, "Version"); revision != "" {
		version += "_" + strings.ReplaceAll(revision, "/", "_")
	}
	return pkg, version, nil
}

// extractKernel writes the one kernel file of a package to dst.
func extractKernel(ctx context.Context, deb, dst string) (err error) {
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
	found, err := copyKernel(tar.NewReader(out), tmp)
	_, _ = io.Copy(io.Discard, out) // lets dpkg-deb finish; its status tells the rest
	if werr := cmd.Wait(); werr != nil {
		return errors.Join(err, fmt.Errorf("dpkg-deb: %w: %s", werr, strings.TrimSpace(stderr.String())))
	}
	if err != nil {
		return err
	}
	if !found {
		return errors.New("package holds no vmlinuz")
	}
	return os.Rename(tmp, dst)
}

func copyKernel(archive *tar.Reader, dst string) (found bool, err error) {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if h.Typeflag != tar.TypeReg || !kernelFile.MatchString(path.Clean(h.Name)) {
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

// lockDir keeps other test processes out of a cache directory.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	return func() { f.Close() }, nil // closing lets go of the lock
}
