package procmem

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Shipped code must not call process_vm_readv, which makes the kernel copy pages that a
// process shares with its parent.
func TestNoProcessVMReadv(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, name := range []string{"ProcessVMReadv", "SYS_PROCESS_VM_READV"} {
			if bytes.Contains(text, []byte(name)) {
				t.Errorf("%s has %s", path, name)
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files, %v", files, err)
	}
}
