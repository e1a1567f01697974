// A server whose handler hands a string to C, which nobody frees. With "back", the handler calls C
// that calls Go for that. With "heap", pages are kept in Go's own heap instead.
package main

/*
#include "truth.h"

extern int goRender(void);

static int call_back(void) {
	volatile int result = goRender();
	return result;
}

static int parse(const char *s) {
	truth_block((void *)s, strlen(s) + 1);
	return strlen(s);
}
*/
import "C"

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"
)

//go:noinline
func renderTemplate(s string) int { return int(C.parse(C.CString(s))) }

//export goRender
func goRender() C.int { return C.int(renderTemplate(strings.Repeat("x", 2000))) }

func handle(w http.ResponseWriter, _ *http.Request) {
	if mode == "back" {
		fmt.Fprint(w, C.call_back())
	} else {
		fmt.Fprint(w, goRender())
	}
}

var (
	mode  string
	pages [][]byte
)

func keepPages() {
	for {
		pages = append(pages, bytes.Repeat([]byte{1}, 20000))
		C.truth_add(20000, 20000)
		time.Sleep(5 * time.Millisecond)
	}
}

func main() {
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	if mode == "heap" {
		keepPages()
	}
	server := httptest.NewServer(http.HandlerFunc(handle))
	for {
		if r, err := http.Get(server.URL); err == nil {
			r.Body.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
}
