// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -ldl
// SPDX-License-Identifier: Apache-2.0
//
// Loads libraries in turn, which all come to lie at the same addresses. Each leaks a block of
// 100 bytes plus its number and is unloaded again. The ledger names the sites site_000 and on.
//
//     loads WAY DIR LIBRARIES ROUNDS MICROSECONDS
//
// DIR has the libraries 0.so and on. A library stays loaded for so long. WAY is
//
//     plain   they are loaded as they are
//     unlink  each is loaded from a copy, which is deleted at once
//     replace each is loaded from a copy, and another library gets its name at once
//     chroot  DIR is the root directory
//     mount   they are loaded from a mount that nobody else sees
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
    struct stat st;

    check(in >= 0 && out >= 0 && fstat(in, &st) == 0, "open");
    check(sendfile(out, in, NULL, st.st_size) == st.st_size, "sendfile");
    close(in);
    close(out);
}

static void load(const char *way, const char *dir, int i, int libraries, int pause)
{
    char path[4096], name[4096], other[4096];
    void *handle, *(*leak)(size_t);

    snprintf(path, sizeof(path), "%s/%d.so", dir, i);
    snprintf(other, sizeof(other), "%s/%d.so", dir, (i + 1) % libraries);
    snprintf(name, sizeof(name), "%s/copy.so", dir);
    if (!strcmp(way, "unlink") || !strcmp(way, "replace"))
        copy(path, name);
    else
        strcpy(name, path);
    handle = dlopen(name, RTLD_NOW);
    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    if (!strcmp(way, "replace")) {
        char fresh[4096];

        snprintf(fresh, sizeof(fresh), "%s/fresh.so", dir);
        copy(other, fresh);
        check(rename(fresh, name) == 0, "rename");
    } else if (!strcmp(way, "unlink")) {
        check(unlink(name) == 0, "unlink");
    }
    leak = dlsym(handle, "leak");
    check(leak && leak(100 + i), "leak");
    if (pause)
        usleep(pause);
    dlclose(handle);
    if (!strcmp(way, "replace"))
        check(unlink(name) == 0, "unlink");
}

int main(int argc, char **argv)
{
    static char line[64], out[1 << 16];
    const char *way, *dir;
    char mounted[4096];
    int libraries, rounds, pause, i, n;

    if (argc != 6)
        return 2;
    way = argv[1], dir = argv[2];
    libraries = atoi(argv[3]), rounds = atoi(argv[4]), pause = atoi(argv[5]);
    setvbuf(stdout, out, _IOFBF, sizeof(out));
    if (!strcmp(way, "chroot")) {
        check(chroot(dir) == 0 && chdir("/") == 0, "chroot");
        dir = "";
    } else if (!strcmp(way, "mount")) {
        snprintf(mounted, sizeof(mounted), "%s/mounted", dir);
        check(unshare(CLONE_NEWNS) == 0, "unshare");
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount");
        check(mkdir(mounted, 0755) == 0, "mkdir");
        check(mount(dir, mounted, NULL, MS_BIND, NULL) == 0, "mount");
        dir = mounted;
    }
    printf("ready %d\n", getpid());
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        return 1;
    for (n = 0; n < rounds; n++)
        for (i = 0; i < libraries; i++)
            load(way, dir, i, libraries, pause);
    for (i = 0; i < libraries; i++)
        printf("site site_%03d %d %d\n", i, rounds * (100 + i), rounds);
    printf("done\n");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin))
        return 1;
    return 0;
}
