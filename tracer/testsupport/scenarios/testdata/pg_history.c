// build: gcc -O2 -g -shared -fPIC
// A function for PostgreSQL that keeps each query in a context that lasts as long as the
// session. What it uses of the server is declared here, as of version 15: its headers come
// with two compilers.
#include "truth.h"

typedef struct MemoryContextData *MemoryContext;
extern MemoryContext TopMemoryContext;
extern void *MemoryContextAlloc(MemoryContext, size_t);

// fmgr.h: Pg_magic_struct, Pg_finfo_record
static const struct {
	int len, version, funcmaxargs, indexmaxkeys, namedatalen, float8byval;
	char abi_extra[32];
} magic = {sizeof magic, 1500, 100, 32, 64, 1, "PostgreSQL"};
static const struct {
	int api_version;
} info = {1};

const void *Pg_magic_func(void) {
	return &magic;
}

const void *pg_finfo_remember_query(void) {
	return &info;
}

SITE void *copy_text(size_t n) {
	return memset(MemoryContextAlloc(TopMemoryContext, n), 1, n);
}

SITE long remember_query(void *call) {
	size_t n = 20000; // more than a context has blocks for, so it gets a block of its own
	sink = copy_text(n);
	truth_add(n, n + 64);
	return call != 0;
}
