package report

import (
	"fmt"
	"strings"
	"testing"
)

// lib returns a frame of a library.
func lib(name string) Frame {
	return Frame{Function: name, Module: "/lib/libstdc++.so.6", Library: true}
}

// Stacks that differ in folded frames alone are told apart by one of these.
func TestTextTellsFoldedStacksApart(t *testing.T) {
	r := fixture()
	caller := Frame{Function: "remember", Module: r.Target.Exe, File: "/src/a.cc", Line: 7}
	stack := func(frames ...Frame) Stack {
		return Stack{Kind: Heap, Bytes: 100, Blocks: 1, OwnFrame: len(frames), Frames: append(frames, caller)}
	}
	r.Stacks = []Stack{
		stack(lib("operator new"), lib("make_node"), lib("insert")),
		stack(lib("operator new"), lib("copy_text"), lib("make_pair"), lib("insert")),
		stack(lib("operator new"), lib("other"), lib("reserve"), lib("grow")),
	}
	r.Stacks[2].Frames[4].Line = 8
	text := string(render(t, asText(TextOptions{}), r))
	for want, n := range map[string]int{"... 3 frames of libstdc++.so.6 with make_node": 1, "... 4 frames of libstdc++.so.6 with make_pair": 1, "... 4 frames of libstdc++.so.6\n": 1} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q occurs %d times, want %d:\n%s", want, got, n, text)
		}
	}
}

func TestVerboseTextListsLikeStacks(t *testing.T) {
	r := typical()
	r.Stacks = r.Stacks[:1]
	s := &r.Stacks[0]
	s.MergedStacks = 3
	s.Like = []Like{{ID: "aa", Bytes: 300, Blocks: 3, Module: "/bin/x", Offset: 0x1177}, {ID: "bb", Bytes: 20, Blocks: 1, Module: "/bin/x", Offset: 0x1187}}
	text := string(render(t, asText(TextOptions{Verbose: true}), r))
	for _, want := range []string{"like stack aa, 300 B in 3 blocks, through x+0x1177", "like stack bb, 20 B in 1 block, through x+0x1187", "1 more like stack"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Of many stacks that look alike each is read a few times, not once for each of the others.
func TestTellApartReadsEachStackFewTimes(t *testing.T) {
	const n = 300
	stacks := make([]Stack, n)
	for i := range stacks {
		// Each has the callers of another one.
		stacks[i].Frames = []Frame{lib("operator new"), lib(fmt.Sprint("insert", i)), lib(fmt.Sprint("grow", i/2)), {Function: "main"}}
	}
	read := 0
	tell := tellApart(n, func(i int) *Stack { read++; return &stacks[i] })
	if read > 3*n {
		t.Errorf("%d stacks are read %d times", n, read)
	}
	for i := range stacks {
		if at, ok := tell[i]; !ok || at != 1 {
			t.Fatalf("stack %d is told by frame %d (%v), want 1", i, at, ok)
		}
	}
}
