// A server whose handler hands a string to C, which nobody frees.
package main

/*
#include "truth.h"

static int parse(const char *s) {
	truth_block((void *)s, strlen(s) + 1);
	return strlen(s);
}
*/
import "C"

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

//go:noinline
func renderTemplate(s string) int { return int(C.parse(C.CString(s))) }

func handle(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, renderTemplate(strings.Repeat("x", 2000)))
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(handle))
	for {
		if r, err := http.Get(server.URL); err == nil {
			r.Body.Close()
		}
		time.Sleep(5 * time.Millisecond)
	}
}
