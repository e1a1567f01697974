package testprog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Libraries makes so many libraries for the program loads, which differ in the name of a
// function: site_000 and on. It returns their folder.
func Libraries(t testing.TB, n int) string {
	t.Helper()
	text, err := os.ReadFile(Path(t, "loaded.so"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range n {
		text := bytes.ReplaceAll(text, []byte("site_000\x00"), fmt.Appendf(nil, "site_%03d\x00", i))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.so", i)), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
