package testprog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// buildMark starts the first line of a C, C++ or Rust source that is a test program. The
// compiler and its flags follow, without source and output.
const buildMark = "// build: "

// Build compiles the test programs among the .c, .cc and .rs files of srcDir into outDir. Each
// is named as its source without the ending, or with .so if the flags say -shared. Sources
// without a build line are left out.
func Build(ctx context.Context, srcDir, outDir string) error {
	var sources []string
	for _, pattern := range []string{"*.c", "*.cc", "*.rs"} {
		names, err := filepath.Glob(filepath.Join(srcDir, pattern))
		if err != nil {
			return err
		}
		sources = append(sources, names...)
	}
	var commands [][]string
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if argv, name := buildCommand(text, source); argv != nil {
			commands = append(commands, append(argv, "-o", filepath.Join(outDir, name)))
		}
	}
	if len(commands) == 0 {
		return errors.New("no test programs in " + srcDir)
	}
	// As many run at once as there are processors.
	turns := make(chan struct{}, runtime.NumCPU())
	errs := make([]error, len(commands))
	var all sync.WaitGroup
	for i, argv := range commands {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Dir = srcDir
			if out, err := cmd.CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, bytes.TrimSpace(out))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// buildCommand returns the command that compiles a source, without the output, and the name of
// the output. Libraries follow the source, as linkers want it.
func buildCommand(text []byte, source string) (argv []string, name string) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	flags, ok := bytes.CutPrefix(line, []byte(buildMark))
	if !ok {
		return nil, ""
	}
	words := strings.Fields(string(flags))
	if len(words) == 0 {
		return nil, ""
	}
	isLibrary := func(w string) bool { return strings.HasPrefix(w, "-l") }
	argv = slices.DeleteFunc(slices.Clone(words), isLibrary)
	argv = append(argv, filepath.Base(source))
	for _, w := range words {
		if isLibrary(w) {
			argv = append(argv, w)
		}
	}
	name = strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
	if slices.Contains(words, "-shared") {
		name += ".so"
	}
	return argv, name
}
