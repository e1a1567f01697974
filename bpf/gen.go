// Package bpf holds the BPF programs and the Go code generated for them.
//
// The C is compiled by the pinned clang (CLANG in the Makefile) and the
// objects are committed, so that building memtrace needs no clang. event.h is
// the source of truth for what the programs send.
package bpf

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc $CLANG -strip $LLVM_STRIP -target amd64,arm64 -go-package bpf -type event_header -type event_short -type event_long -type event_stack -type event_code -type event_rest -type fresh -type spill_key -type spill -type counters -type thread -type unwind_block -type unwind_rule -type mapping Memtrace memtrace.bpf.c -- -O2 -g -mcpu=v2 -Wall -Wextra -Wno-unused-parameter -Werror
