// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// Does to the code of libc's malloc what its argument says, and then what each line that it
// reads says. It answers each line with "done". It allocates nothing else.
//
//   copied       replaces the code's pages by anonymous memory with the same content
//   huge         does so to all code of libc
//   writable     maps libc's code writable, and writes to it
//   written      does so, and then takes the write permission away; "partly" does so too,
//                but leaves the code of free writable
//   plain        does nothing
//
//   leak N       allocates N blocks of 101 bytes and N of 55, and frees the latter
//   NAME         does one of the above
//   exec         executes itself again, plain

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL

static void *volatile kept;

static void fail(const char *what)
{
    perror(what);
    _exit(1);
}

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(1);
}

// A range of whole pages.
struct pages {
    char *start;
    size_t size;
};

static struct pages pages(void *from, size_t size)
{
    char *start = (char *)((unsigned long)from & ~(PAGE - 1));

    return (struct pages){start, ((unsigned long)from + size - (unsigned long)start + PAGE - 1) & ~(PAGE - 1)};
}

// The executable segment that holds malloc.
static int find_code(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        char *start = (char *)info->dlpi_addr + h->p_vaddr;

        if (h->p_type == PT_LOAD && (h->p_flags & PF_X) && (char *)malloc >= start && (char *)malloc < start + h->p_memsz) {
            *(struct pages *)found = pages(start, h->p_memsz);
            return 1;
        }
    }
    return 0;
}

static void protect(struct pages p, int more)
{
    if (mprotect(p.start, p.size, PROT_READ | PROT_EXEC | more) != 0)
        fail("mprotect");
}

// Moves a copy over the original, as programs do to have their code in huge pages.
__attribute__((noinline)) static void copy(struct pages p)
{
    char *to = mmap(NULL, p.size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result = (long)p.start;

    if (to == MAP_FAILED)
        fail("mmap");
    for (size_t i = 0; i < p.size; i++)
        ((volatile char *)to)[i] = p.start[i];
#ifdef __x86_64__
    // Without libc, whose code is gone for a moment.
    register long r10 __asm__("r10") = MREMAP_MAYMOVE | MREMAP_FIXED;
    register long r8 __asm__("r8") = (long)p.start;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_mremap), "D"(to), "S"(p.size), "d"(p.size), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
#endif
    if (result != (long)p.start)
        _exit(1);
}

static void change(const char *how)
{
    struct pages near = pages((void *)malloc, 64), last = pages((void *)free, 64), all;

    if (strcmp(how, "plain") == 0)
        return;
    if (dl_iterate_phdr(find_code, &all) != 1)
        fail("dl_iterate_phdr");
    if (strcmp(how, "huge") == 0) {
        copy(all);
        return;
    }
    if (strcmp(how, "copied") == 0) {
        // These pages hold all functions that are probed.
        char *from = near.start < last.start ? near.start : last.start;

        copy(pages(from - 8 * PAGE, 32 * PAGE));
        return;
    }
    protect(all, PROT_WRITE);
    *(volatile char *)near.start = *(volatile char *)near.start;
    if (strcmp(how, "written") == 0 || strcmp(how, "partly") == 0)
        protect(all, 0);
    if (strcmp(how, "partly") == 0)
        protect(last, PROT_WRITE);
}

int main(int argc, char **argv)
{
    char line[64];
    int n;

    if (argc > 1)
        change(argv[1]);
    snprintf(line, sizeof(line), "ready %d\n", getpid());
    say(line);
    for (;;) {
        ssize_t length = read(0, line, sizeof(line) - 1);

        if (length <= 0)
            return 0;
        line[length - 1] = 0;
        if (sscanf(line, "leak %d", &n) == 1) {
            while (n-- > 0) {
                kept = malloc(101);
                free(malloc(55));
            }
        } else if (strcmp(line, "exec") == 0) {
            execl("/proc/self/exe", argv[0], "plain", NULL);
            fail("exec");
        } else {
            change(line);
        }
        say("done\n");
    }
}
