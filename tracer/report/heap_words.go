package report

import (
	"fmt"
	"math"
	"strings"
)

// Classes of roots of blocks (HeapRoot).
const (
	HeapGlobal = "global"
	// HeapInterpreter are the objects of CPython, nearly all of which lead to each other.
	HeapInterpreter = "interpreter"
	HeapTLS         = "tls"
	HeapStack       = "stack"
	HeapRegisters   = "registers"
	HeapMapping     = "mapping"
	HeapEpoll       = "epoll"
	HeapUnreached   = "unreachable"
	HeapMixed       = "several"
	HeapUnlooked    = "unlooked"
)

// Classes of growth (HeapGrowth).
const (
	HeapSteady  = "steady"
	HeapFilling = "filling"
	HeapFading  = "fading"
	HeapUnknown = "unknown"
)

// heapNameColumns is how much of a name the text form shows.
const heapNameColumns = 60

// String names a root in words. Names from the process are escaped and not longer than a line.
func (r *HeapRoot) String() string {
	name := ShortName(escape(r.Name), heapNameColumns)
	if name == "" && r.Address != 0 {
		name = fmt.Sprintf("at 0x%x", r.Address)
	}
	switch r.Class {
	case HeapUnreached, "":
		return "unreachable"
	case HeapMixed:
		return "several"
	case HeapUnlooked:
		return "holder not known"
	case HeapGlobal:
		name = "global " + name
	case HeapTLS:
		if !strings.HasPrefix(name, "TLS ") {
			name = "thread-local " + name
		}
	case HeapMapping:
		if !strings.HasPrefix(name, "mapping") {
			name = "mapping " + name
		}
	}
	if r.Module != "" {
		name += " (" + cutLeft(escape(baseName(r.Module)), heapNameColumns/2) + ")"
	}
	return name
}

// Held says who holds blocks, to go on after a comma.
func (r *HeapRoot) Held() string {
	switch r.Class {
	case HeapUnreached, "":
		return "unreachable"
	case HeapMixed:
		return "held by several"
	case HeapUnlooked:
		return r.String()
	}
	return "held by " + r.String()
}

// BlocksPerMinute writes a rate of blocks, by the minute or, if they are few, by the hour.
func BlocksPerMinute(rate float64) string {
	switch {
	case math.IsNaN(rate) || math.IsInf(rate, 0):
		return "unknown"
	case rate != 0 && math.Abs(rate) < 1:
		return blockRate(rate*60) + "/h"
	}
	return blockRate(rate) + "/min"
}

// blockRate writes a number of blocks, without more figures than it may have.
func blockRate(n float64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	switch {
	case n > 1e15:
		return sign + "very many"
	case n > 0 && n < 0.5:
		return sign + "<1"
	}
	return sign + Count(uint64(math.Round(n)))
}

// blocksWithin writes a rate of blocks and its limits.
func blocksWithin(rate, low, high float64) string {
	unit, by := "/min", 1.0
	if math.Abs(rate) < 1 && rate != 0 {
		unit, by = "/h", 60
	}
	figure := func(n float64) string {
		if math.IsNaN(n) {
			return "?"
		}
		return blockRate(n * by)
	}
	return fmt.Sprintf("~%s%s [%s - %s]", figure(rate), unit, figure(low), figure(high))
}

// heapKind names the blocks of a size and kind.
func heapKind(size uint64, kind string) string {
	text := Size(size)
	if size > 1024 {
		text += "+" // with those up to a fourth larger
	}
	if kind != "" {
		text += " " + ShortName(escape(kind), heapNameColumns)
	}
	return text
}
