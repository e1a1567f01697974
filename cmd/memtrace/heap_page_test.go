package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// heapCard is the section of a page that tells what grows in the heap, "" if there is none, as text.
func heapCard(page string) string {
	_, card, _ := strings.Cut(page, `aria-label="Heap"`)
	card, _, _ = strings.Cut(card, "</section>")
	return html.UnescapeString(card)
}

// wantSessions checks what the section says of quiet.c.
func wantSessions(t *testing.T, page string) {
	t.Helper()
	card := heapCard(page)
	for _, part := range []string{"<b>136 B</b>", "held by global sessions", "<code>open_session ", "<b>88 B</b>", "<code>lose_block ", `class="at"`, "the last look was "} {
		if !strings.Contains(card, part) {
			t.Errorf("the section lacks %q: %s", part, card)
		}
	}
}

// The page of a trace with --heap tells what grows in the heap, and no message says that it does not.
func TestHTMLOfHeapBeside(t *testing.T) {
	testprog.NeedRoot(t)
	p := startReady(t, "gcc -O1 -g", quietSource, "50")
	code, stdout, stderr := runFor(t, "-f", "html", "--max-overhead", "100", "-p", fmt.Sprint(p.PID()), "--heap=500ms", "-d", "8s")
	if code != exitOK || strings.Contains(stderr, "what --heap shows") {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	wantSessions(t, stdout)
}

// The page that is served meanwhile has it as well.
func TestServeHeapBeside(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := startReady(t, "gcc -O1 -g", quietSource, "50")
	s := startServing(t, "-p", fmt.Sprint(p.PID()), "--heap=500ms")
	page := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && !strings.Contains(heapCard(page), "<code>lose_block "); time.Sleep(time.Second) {
		page, _ = s.get("/")
	}
	wantSessions(t, page)
	if code := s.end(syscall.SIGINT); code != int(exitOK) || strings.Contains(s.stderr.String(), "what --heap shows") {
		t.Errorf("ended with %d: %s", code, s.stderr.String())
	}
}

// A page of memtrace heap has the answer first, and comes once.
func TestHeapHTML(t *testing.T) {
	p := startBusy(t, "100")
	file := filepath.Join(t.TempDir(), "heap.html")
	if code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(p.PID()), "-f", "html", "-o", file, "--max-overhead", "100", "1", "6"); code != exitOK || stdout != "" {
		t.Fatalf("ended with %d: %s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := html.UnescapeString(string(text))
	_, answer, _ := strings.Cut(page, "<h1>")
	if answer, _, _ = strings.Cut(answer, "</h1>"); !strings.Contains(answer, "blocks a minute") {
		t.Errorf("the answer is %q", answer)
	}
	for _, part := range []string{"<b>136 B</b>", "held by global sessions", "What nobody points at", "of 88 B", "<b>global cache", "Made of"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if n := strings.Count(page, "<h1>"); n != 1 {
		t.Errorf("%d pages", n)
	}
}

// The live view says how many groups grow and how old that is, and H lists them.
func TestLiveHeap(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	p := startReady(t, "gcc -O1 -g", quietSource, "50")
	r := startLive(t, 100, 30, "--exact", "-p", fmt.Sprint(p.PID()), "--heap=500ms")
	r.shows("function < caller", "(H lists them), by look ", "s ago") // or ms
	r.press("H")
	r.shows("What grows in the heap, by look ", "(H goes back)", "held by global sessions", "(open_session ", "(lose_block ")
	r.press("H")
	r.shows("function < caller", "(H lists them)")
	r.press("q")
	r.ends()
}
