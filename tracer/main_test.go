package tracer

import (
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }
