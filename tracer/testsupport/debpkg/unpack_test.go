package debpkg

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestCopyFile(t *testing.T) {
	pattern := regexp.MustCompile(`^boot/vmlinuz-\S+$`)
	for name, want := range map[string]bool{
		"./boot/vmlinuz-6.1": true,
		"boot/vmlinuz-6.1":   true,
		"./usr/boot/vmlinuz": false,
	} {
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		for _, h := range []*tar.Header{
			{Name: "./boot/vmlinuz-link", Typeflag: tar.TypeSymlink, Linkname: "vmlinuz"},
			{Name: name, Typeflag: tar.TypeReg, Size: 3, Mode: 0o644},
		} {
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Write([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		dst := filepath.Join(t.TempDir(), "file")
		found, err := copyFile(tar.NewReader(&text), pattern, dst)
		if err != nil || found != want {
			t.Errorf("%s: found %v, %v; want %v", name, found, err, want)
		}
		if got, _ := os.ReadFile(dst); want && string(got) != "abc" {
			t.Errorf("%s: copied %q", name, got)
		}
	}
}

func TestFindFile(t *testing.T) {
	p := Package{Name: "some", Dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(p.Dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lib/a-1.so", "lib/b-1.so", "lib/b-2.so"} {
		if err := os.WriteFile(filepath.Join(p.Dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a-1.so", filepath.Join(p.Dir, "lib/a-2.so")); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{`^lib/a-`: "lib/a-1.so", `^lib/b-`: "", `^lib/c`: "", `^a-`: ""} {
		got, err := p.Find(regexp.MustCompile(pattern))
		if (err != nil) != (want == "") || want != "" && got != filepath.Join(p.Dir, want) {
			t.Errorf("%s: got %q, %v; want %q", pattern, got, err, want)
		}
	}
}

func TestRelink(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"lib64", "usr/lib"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "usr/lib/ld.so"), []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{"lib64/ld.so": "/usr/lib/ld.so", "lib64/again.so": "ld.so"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := relink(root); err != nil {
		t.Fatal(err)
	}
	for name := range links {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != "abc" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestSuperseded checks that other versions are removed if they are not in use.
func TestSuperseded(t *testing.T) {
	s := &Suite{dir: t.TempDir()}
	age := map[string]time.Duration{
		"libc6_3": 0, "libc6_2": time.Hour, "libc6_1": 2 * supersededAge, "libc6_0.part": 2 * supersededAge,
		"libc6-dev_1": 2 * supersededAge,
	}
	for name, old := range age {
		dir := filepath.Join(s.dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-old)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.removeSuperseded(Package{Name: "libc6", Dir: filepath.Join(s.dir, "libc6_3")}); err != nil {
		t.Fatal(err)
	}
	for name := range age {
		_, err := os.Stat(filepath.Join(s.dir, name))
		if gone := name == "libc6_1" || name == "libc6_0.part"; (err != nil) != gone {
			t.Errorf("%s: %v, want it gone: %v", name, err, gone)
		}
	}
}
