// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -ldl
// SPDX-License-Identifier: Apache-2.0
//
// names NAME LIBRARY gives itself a name. At the first line that it reads it loads the
// library, at the second it executes its own file again. The test chooses names and paths.

#include <dlfcn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static void wait_for_line(void)
{
    while (getchar() != '\n')
        if (feof(stdin))
            _exit(0);
}

int main(int argc, char **argv)
{
    setvbuf(stdin, NULL, _IONBF, 0);
    if (argc > 1)
        prctl(PR_SET_NAME, argv[1]);
    printf("ready %d\n", getpid());
    fflush(stdout);
    wait_for_line();
    if (argc < 3)
        return 0;
    puts(dlopen(argv[2], RTLD_NOW) ? "mapped" : dlerror());
    fflush(stdout);
    wait_for_line();
    execl(argv[0], argv[0], (char *)NULL);
    return 1;
}
