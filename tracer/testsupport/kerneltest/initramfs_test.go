package kerneltest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestLayout(t *testing.T) {
	host := t.TempDir()
	for _, name := range []string{"init", "tree/one", "tree/sub/two"} {
		path := filepath.Join(host, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("one", filepath.Join(host, "tree", "link")); err != nil {
		t.Fatal(err)
	}
	fsys, err := layout(Guest{
		Files:   map[string]string{"/bin/one": filepath.Join(host, "tree/one"), "/data": filepath.Join(host, "tree")},
		Command: []string{"/bin/one"},
	}, filepath.Join(host, "init"))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := fsys.write(&text); err != nil {
		t.Fatal(err)
	}
	got, _ := readCPIO(t, text.Bytes())
	for name, want := range map[string]cpioEntry{
		"init":          {0o100755, "init"},
		"bin":           {0o120777, "usr/bin"},
		"usr/bin/one":   {0o100755, "tree/one"},
		"data/sub/two":  {0o100755, "tree/sub/two"},
		"data/link":     {0o100755, "tree/one"},
		commandFile[1:]: {0o100644, `{"Args":["/bin/one"],"Env":null,"Dir":""}`},
		"usr/lib64":     {0o040755, ""},
		"tmp":           {0o040755, ""},
		"bin/one":       {},
		"usr/bin/link":  {},
	} {
		if got[name] != want {
			t.Errorf("%s: got %+v, want %+v", name, got[name], want)
		}
	}
	if _, err := layout(Guest{Files: map[string]string{"/a": filepath.Join(host, "none")}}, filepath.Join(host, "init")); err == nil {
		t.Error("laid out a file that is not there")
	}
}
