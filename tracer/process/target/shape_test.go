package target

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What the BPF programs read of a shape is what this package writes.
func TestShapeIsThatOfTheHeader(t *testing.T) {
	text, err := os.ReadFile("../../../bpf/shape.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]Shape{
		"REALLOC": isRealloc, "FREE": isFree, "THROWS": throws, "RETURN": isReturn, "INDIRECT": indirect, "KEEPS": keeps,
		"FREES": frees, "IN_PLACE": inPlace, "STRING": isString, "WRAPS": wraps,
	} {
		bit := 0
		for value>>bit != 1 {
			bit++
		}
		if line := fmt.Sprintf("#define SHAPE_%s (1U << %d)", name, bit); !strings.Contains(string(text), line) {
			t.Errorf("the header lacks %q", line)
		}
	}
	if line := "#define SHAPE_SIZE(shape) ((shape) & 7)"; sizeAt != 0 || !strings.Contains(string(text), line) {
		t.Errorf("the header lacks %q", line)
	}
	for name, at := range map[string]int{"COUNT": countAt, "BLOCK": blockAt, "OUT": outAt, "BUFFER": bufferAt} {
		if line := fmt.Sprintf("#define SHAPE_%s(shape) ((shape) >> %d & 7)", name, at); !strings.Contains(string(text), line) {
			t.Errorf("the header lacks %q", line)
		}
	}
	if Malloc.Shape != 1 {
		t.Errorf("malloc has the shape %#x", Malloc.Shape)
	}
}

func TestSignatures(t *testing.T) {
	for signature, want := range map[string]Function{
		"_ old count size": {Role: Realloc, Shape: isRealloc | 2<<blockAt | 3<<countAt | 4<<sizeAt},
		"*old count size":  {Role: Realloc, Shape: isRealloc | indirect | 1<<blockAt | 1<<outAt | 2<<countAt | 3<<sizeAt},
		"out _ size":       {Shape: 1<<outAt | 3<<sizeAt},
		"_ buffer string":  {Shape: 2<<bufferAt | isString},
		"_ block":          {Role: Free, Shape: isFree | 2<<blockAt},
		"size throws":      {Shape: 1<<sizeAt | throws},
		"_ _ _ _ _ size":   {Shape: 6 << sizeAt},
		"old size inplace": {Role: Realloc, Shape: isRealloc | 1<<blockAt | 2<<sizeAt | inPlace | keeps},
	} {
		if got, err := parseFunction("", signature); got != want || err != nil {
			t.Errorf("%q: %+v, %v, want %+v", signature, got, err, want)
		}
	}
	for _, signature := range []string{"", "_", "old", "block size", "old block size", "_ _ _ _ _ _ size", "sizes"} {
		if got, err := parseFunction("", signature); err == nil {
			t.Errorf("%q: %+v, want an error", signature, got)
		}
	}
}

// Allocation functions are known by their other names, too.
func TestAllocates(t *testing.T) {
	for symbol, want := range map[string]bool{
		"malloc": true, "__libc_malloc": true, "__GI___libc_free": true, "_Znwm": true, "tc_new": true,
		"mi_theap_malloc": true, "reallocarray": true, "strdup": true, "__strdup": true, "mallocx": true,
		"je_malloc": true, "_rjem_malloc": true, "_rjem_sdallocx": true, "scudo_calloc": true,
		"main": false, "strlen": false, "je_": false, "my_malloc": false, "": false,
	} {
		if got := Allocates(symbol); got != want {
			t.Errorf("%q: %v, want %v", symbol, got, want)
		}
	}
}
