// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -Wl,--build-id=sha1 -ldl
// SPDX-License-Identifier: Apache-2.0
//
// A program for tests to damage, rename and disguise. It does what each line says and
// answers "did N". Any other line, or end of file, ends it with its ledger.
//
//     leak            leaks 31 blocks through three functions
//     load PATH       loads a library and leaks 5 blocks through its site_plugin
//     map PATH        maps a file's first pages as code, and leaks one block
//     jit             leaks 7 blocks through code made at run time, and once that code
//     name TEXT       takes that name
//
// %XX stands for a byte that a line cannot hold.

#define SITES(X) X(malloc) X(calloc) X(plugin) X(map) X(jit)
#include "../../../testdata/ledger.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

SITE void *site_malloc(size_t n)
{
    return malloc(n);
}

SITE void *site_calloc(size_t n)
{
    return calloc(3, n);
}

SITE void *site_map(size_t n)
{
    return malloc(n);
}

FRAME void *between(void *(*alloc)(size_t), size_t n)
{
    return alloc(n);
}

static void leak(enum site s, void *(*alloc)(size_t), int blocks, size_t size, size_t bytes)
{
    int i;

    for (i = 0; i < blocks; i++) {
        called(1);
        check(between(alloc, size) != NULL, "malloc");
        hold(s, bytes);
    }
}

static void load(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW);
    void *(*get)(size_t) = handle ? (void *(*)(size_t))dlsym(handle, "site_plugin") : NULL;

    if (get)
        leak(S_plugin, get, 5, 1009, 1009);
}

static void map(const char *path)
{
    static struct {
        void *p;
        size_t size;
    } kept[8];
    static unsigned at;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    if (kept[at].p)
        munmap(kept[at].p, kept[at].size);
    kept[at].p = NULL;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t size = st.st_size < 65536 ? (size_t)st.st_size : 65536;
        void *p = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

        if (p != MAP_FAILED) {
            kept[at].p = p;
            kept[at].size = size;
        }
    }
    close(fd);
    at = (at + 1) % 8;
    leak(S_map, site_map, 1, 19, 19);
}

// site_jit calls malloc from code that no file holds: push %rbp; mov %rsp,%rbp;
// movabs $malloc,%rax; call *%rax; pop %rbp; ret.
SITE void *site_jit(size_t n)
{
    static unsigned char *code;

    if (!code) {
        void *(*target)(size_t) = malloc;

        code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(code != MAP_FAILED, "mmap");
        memcpy(code, "\x55\x48\x89\xe5\x48\xb8", 6);
        memcpy(code + 6, &target, 8);
        memcpy(code + 14, "\xff\xd0\x5d\xc3", 4);
        hold(S_jit, 4096);
        say("code", (long long)(uintptr_t)code);
    }
    return ((void *(*)(size_t))(uintptr_t)code)(n);
}

// decode replaces each %XX by its byte.
static void decode(char *s)
{
    char *to = s;

    for (; *s; s++) {
        if (*s == '%' && s[1] && s[2]) {
            char hex[3] = {s[1], s[2], 0};

            *to++ = (char)strtoul(hex, NULL, 16);
            s += 2;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

static int argument(char *line, const char *verb, char **rest)
{
    size_t n = strlen(verb);

    *rest = line + n;
    return strncmp(line, verb, n) == 0;
}

int main(void)
{
    static char line[65536];
    long long did = 0;
    char *rest;

    ledger_ready();
    say("did", did++);
    while (read_line(line, sizeof(line))) {
        decode(line);
        if (argument(line, "leak", &rest)) {
            leak(S_malloc, site_malloc, 19, 101, 101);
            leak(S_calloc, site_calloc, 12, 11, 33);
        } else if (argument(line, "load ", &rest)) {
            load(rest);
        } else if (argument(line, "map ", &rest)) {
            map(rest);
        } else if (argument(line, "jit", &rest)) {
            leak(S_jit, site_jit, 7, 57, 57);
        } else if (argument(line, "name ", &rest)) {
            prctl(PR_SET_NAME, rest);
        } else {
            break;
        }
        say("did", did++);
    }
    ledger_finish();
}
