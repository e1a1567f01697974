package kerneltest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"memtrace/tracer/testsupport/debpkg"
)

// Kernel is the newest kernel of one Debian suite.
type Kernel struct {
	// Suite is the name of the Debian release, such as "bookworm".
	Suite string
	// Want is the prefix of the version that the suite is tested for, such as "6.1". It is
	// empty for a suite whose kernel moves on.
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

// metapackage always depends on the newest kernel of its suite. The cloud flavour has only the
// drivers of virtual machines, but all of the tracing options of the full one.
const metapackage = "linux-image-cloud-amd64"

var (
	imagePackage = regexp.MustCompile(`^linux-image-(\d.*-cloud-amd64)$`)
	// From 7.0 the image package is empty and depends on the one with the file.
	binaryPackage = regexp.MustCompile(`^linux-binary-(\d.*-cloud-amd64)$`)
	kernelFile    = regexp.MustCompile(`^(boot/vmlinuz-\S+|usr/lib/modules/[^/]+/vmlinuz)$`)
)

// image returns the path of the suite's bzImage in the cache. It downloads the image if the
// suite has a newer one.
func (k Kernel) image(ctx context.Context) (string, error) {
	suite, err := debpkg.Open(ctx, k.Suite)
	if err != nil {
		return "", err
	}
	defer suite.Close()
	pkg, version, err := resolveImage(func(name string) (string, error) { return suite.Show(ctx, name) })
	if err != nil {
		return "", fmt.Errorf("find the kernel of %v: %w", suite, err)
	}
	if k.Want != "" && !strings.HasPrefix(version, k.Want+".") {
		return "", fmt.Errorf("%v has kernel %s, want %s", suite, version, k.Want)
	}
	image := filepath.Join(suite.Dir(), "vmlinuz-"+version)
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	deb, err := suite.Download(ctx, pkg)
	if err != nil {
		return "", err
	}
	defer os.Remove(deb)
	old, err := filepath.Glob(filepath.Join(suite.Dir(), "vmlinuz-*"))
	if err != nil {
		return "", err
	}
	if err := debpkg.ExtractFile(ctx, deb, kernelFile, image); err != nil {
		return "", fmt.Errorf("extract kernel from %s: %w", filepath.Base(deb), err)
	}
	for _, name := range old {
		_ = os.Remove(name) // a superseded kernel only takes up space
	}
	return image, nil
}

// resolveImage follows the metapackage to the package that has the kernel file. show returns
// the control paragraph of a package. The version is the kernel's own with the package's
// revision, so that a rebuild is a new one.
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
	if revision := debpkg.Field(image, "Version"); revision != "" {
		version += "_" + strings.ReplaceAll(revision, "/", "_")
	}
	return pkg, version, nil
}

// dependency returns the first package among the Depends of a control paragraph that the
// pattern matches, and the pattern's first group.
func dependency(paragraph string, pattern *regexp.Regexp) (name, group string) {
	for clause := range strings.SplitSeq(debpkg.Field(paragraph, "Depends"), ",") {
		for alternative := range strings.SplitSeq(clause, "|") {
			fields := strings.Fields(alternative)
			if len(fields) == 0 {
				continue
			}
			name, _, _ := strings.Cut(fields[0], ":") // an architecture
			if m := pattern.FindStringSubmatch(name); m != nil {
				return name, m[1]
			}
		}
	}
	return "", ""
}
