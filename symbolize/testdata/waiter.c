// Prints addresses inside its functions, then waits for lines on standard
// input; at each it opens or closes the library that is its first argument.
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

__attribute__((noinline)) int program_function(int n) {
  __asm__ volatile("");
  return n + 1;
}

int main(int argc, char **argv) {
  char line[16];
  void *library = NULL;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%p %d\n", (void *)program_function, program_function(1));
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) && argc > 1) {
    if (library == NULL) {
      library = dlopen(argv[1], RTLD_NOW);
      printf("%p\n", library ? dlsym(library, "library_function") : NULL);
    } else {
      dlclose(library);
      library = NULL;
      printf("closed\n");
    }
    fflush(stdout);
  }
  return 0;
}
