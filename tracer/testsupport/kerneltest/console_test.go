package kerneltest

import (
	"reflect"
	"testing"
)

func TestParseConsole(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		result     Result
		warnings   []string
		ended      bool
	}{
		{
			name:   "whole",
			text:   "noise\r\n\nKERNELTEST version 6.1.0-50 #1 SMP\none\r\nnot KERNELTEST exit 7\ntwo\n\nKERNELTEST exit 3\n",
			result: Result{Version: "6.1.0-50 #1 SMP", ExitCode: 3, Output: []byte("one\nnot KERNELTEST exit 7\ntwo\n")}, ended: true,
		},
		{
			name:   "no newline at the end of the output",
			text:   "\nKERNELTEST version v\nx\nKERNELTEST exit 0\n",
			result: Result{Version: "v", Output: []byte("x")}, ended: true,
		},
		{
			name:   "no output",
			text:   "\nKERNELTEST version v\n\nKERNELTEST exit 139\n",
			result: Result{Version: "v", ExitCode: 139, Output: []byte{}}, ended: true,
		},
		{
			name: "warnings",
			text: "\nKERNELTEST version v\n\nKERNELTEST exit 0\nKERNELTEST dmesg-warn [ 1.0] WARNING: CPU: 0\n" +
				"stray\nKERNELTEST dmesg-warn [ 1.1] Call Trace:\n",
			result:   Result{Version: "v", Output: []byte{}},
			warnings: []string{"[ 1.0] WARNING: CPU: 0", "[ 1.1] Call Trace:"}, ended: true,
		},
		{
			name:   "panic at boot",
			text:   "Kernel panic - not syncing\n",
			result: Result{ExitCode: -1, Output: []byte("Kernel panic - not syncing\n")},
		},
		{
			name:   "stopped in the middle",
			text:   "\nKERNELTEST version v\nsome\nKERNELTEST exit 0",
			result: Result{Version: "v", ExitCode: -1, Output: []byte("some\nKERNELTEST exit 0")},
		},
		{name: "nothing", result: Result{ExitCode: -1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result, warnings, ended := parseConsole([]byte(tc.text))
			if string(result.Output) != string(tc.result.Output) {
				t.Errorf("output %q, want %q", result.Output, tc.result.Output)
			}
			result.Output = tc.result.Output
			if !reflect.DeepEqual(result, tc.result) || ended != tc.ended {
				t.Errorf("got %+v, %v; want %+v, %v", result, ended, tc.result, tc.ended)
			}
			if !reflect.DeepEqual(warnings, tc.warnings) {
				t.Errorf("warnings %q, want %q", warnings, tc.warnings)
			}
		})
	}
}
