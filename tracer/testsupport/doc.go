// Package testsupport holds what only tests use: programs to trace (testprog), what was
// recorded of one (recording), attacks (attack), Debian packages (debpkg) and kernels in qemu
// (kerneltest). Nothing that is shipped imports any of it (TestRooms of package tracer).
package testsupport
