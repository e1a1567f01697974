package diagnose

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

func TestCallerOfMalloc(t *testing.T) {
	frames := func(functions ...string) (list []report.Frame) {
		for _, f := range functions {
			module := "libc"
			if f == "main" || f == "work" {
				module = "program"
			}
			list = append(list, report.Frame{Function: f, Module: module})
		}
		return list
	}
	for i, test := range []struct{ from, want []report.Frame }{
		{frames("mmap", "sysmalloc", "_int_malloc", "malloc", "work", "main"), frames("work", "main")},
		{frames("mmap", "", "__libc_calloc", "strange", "main"), frames("strange", "main")},
		{frames("mmap", "pthread_create", "main"), frames("mmap", "pthread_create", "main")},
		{frames("mmap", "malloc"), frames("mmap", "malloc")},
		{frames("work", "malloc", "main"), frames("work", "malloc", "main")},
		{nil, nil},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			if diff := cmp.Diff(test.want, callerOfMalloc(test.from)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
