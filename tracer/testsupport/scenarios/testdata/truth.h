// A program's own account of what it leaks. Every 100 ms and at exit a line is appended to the
// file that the environment names in TRUTH: the time in ns (CLOCK_REALTIME), the process id, the
// bytes that were asked for so far, and those that the allocator took for them.
#pragma once
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A function that is seen in every stack it is part of.
#define SITE __attribute__((noipa))

static long long truth_asked, truth_taken, truth_next;
static int truth_file = -1;

static long long truth_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((unused)) static void truth_write(void) {
	char line[100];
	if (truth_file < 0 && getenv("TRUTH"))
		truth_file = open(getenv("TRUTH"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	int n = snprintf(line, sizeof line, "%lld %d %lld %lld\n", truth_now(), getpid(), truth_asked, truth_taken);
	if (truth_file >= 0 && write(truth_file, line, n) != n)
		_exit(9);
	truth_next = truth_now() + 100000000;
}

// Say that so much has leaked, or with 0 that nothing has.
__attribute__((unused)) static void truth_add(long long asked, long long taken) {
	truth_asked += asked;
	truth_taken += taken;
	if (truth_now() >= truth_next)
		truth_write();
}

// Say that a block has leaked. glibc has 8 bytes of its own before each.
__attribute__((unused)) static void *truth_block(void *p, size_t asked) {
	truth_add(asked, malloc_usable_size(p) + 8);
	return p;
}

// A child begins with nothing.
__attribute__((unused)) static void truth_child(void) {
	truth_asked = truth_taken = 0;
	truth_write();
}

__attribute__((unused)) static void *filled(size_t n) {
	return memset(malloc(n), 1, n);
}

// Wait until the program is traced, if the environment says how that shows.
__attribute__((unused)) static void truth_await_trace(void) {
	truth_write();
	while (getenv("TRACED") && access(getenv("TRACED"), F_OK))
		usleep(5000);
	truth_write();
}

static void *volatile sink;
