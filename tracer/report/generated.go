package report

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// madeBy is a runtime that makes code.
type madeBy struct {
	// files are the names of its files, of libraries only the beginning.
	files []string
	// code is what frames in such code are called that have no name. hint says how to get
	// names; %d stands for the pid.
	code, hint string
}

// runtimes make code while a program runs, or interpret it in code that they have made.
var runtimes = []madeBy{
	{
		[]string{"libjvm.so"},
		"[Java code, not named]",
		"Frames of Java get names from a perf map: run jcmd %d Compiler.perfmap (JDK 17 or newer) before the report. " +
			"Start java with -XX:+PreserveFramePointer to have its stacks whole.",
	},
	{
		[]string{"node", "nodejs", "libnode.so"},
		"[JavaScript code, not named]",
		"Frames of JavaScript get names from a perf map: start node with --perf-basic-prof.",
	},
	{
		[]string{"libcoreclr.so"},
		"[.NET code, not named]",
		"Frames of .NET get names from a perf map: start the program with DOTNET_PerfMapEnabled=1.",
	},
	{
		[]string{"beam.smp"},
		"[Erlang code, not named]",
		"Frames of Erlang get names from a perf map: start erl with +JPperf true.",
	},
}

// runtimeOf returns the index of the runtime that is among these files, -1 if none is.
func runtimeOf(files []string) int {
	for _, file := range files {
		base := path.Base(file)
		for i := range runtimes {
			if slices.ContainsFunc(runtimes[i].files, func(name string) bool {
				return base == name || strings.HasSuffix(name, ".so") && strings.HasPrefix(base, name)
			}) {
				return i
			}
		}
	}
	return -1
}

// GeneratedCode returns what to call code that was made at run time, and has no name, in a
// process of these files. It is a Frame's Module. It is "" if nothing is known of it.
func GeneratedCode(files []string) string {
	if i := runtimeOf(files); i >= 0 {
		return runtimes[i].code
	}
	return ""
}

// generated reports whether a frame is of code made at run time by a runtime that is known.
func (f *Frame) generated() bool {
	return f.Function == "" && slices.ContainsFunc(runtimes, func(r madeBy) bool { return r.code == f.Module })
}

// Place names a frame without a function: by its offset in its module, or else its address.
func (f *Frame) Place() string {
	switch {
	case f.generated():
		return f.Module // an address says nothing: it is another one in every run
	case f.Module != "":
		return fmt.Sprintf("%s+0x%x", baseName(f.Module), f.Offset)
	}
	return fmt.Sprintf("0x%x", f.Address)
}

// perfMapOf says how the runtime that runs the program writes a perf map, "" if it has none that
// is known.
func (r *Report) perfMapOf() string {
	files := []string{r.Target.Exe}
	for _, m := range r.Target.Modules {
		files = append(files, m.Path)
	}
	i := runtimeOf(files)
	if i < 0 {
		return ""
	}
	return strings.ReplaceAll(runtimes[i].hint, "%d", strconv.Itoa(r.Target.PID))
}
