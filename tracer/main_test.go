package tracer

import (
	"testing"

	"memtrace/tracer/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }
