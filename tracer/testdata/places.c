// build: gcc -std=gnu11 -O2 -Wall -Wextra
// SPDX-License-Identifier: Apache-2.0
//
// Calls malloc in three places as often as it is told to. After each line that it reads it says "done".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
void *volatile kept;
__attribute__((noinline)) void rare(void) { kept = malloc(88); }
__attribute__((noinline)) void other(void) { kept = malloc(200); }
__attribute__((noinline)) void warm(long n) { for (; n > 0; n--) { kept = malloc(n % 2 ? 88 : 80); free(kept); } }
int main(void)
{
	char line[64];
	long n;
	puts("ready places");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		if (!strcmp(line, "rare\n"))
			rare();
		else if (sscanf(line, "warm %ld", &n) == 1)
			warm(n);
		else if (!strcmp(line, "exec\n"))
			execl("/proc/self/exe", "program", NULL);
		else
			other();
		puts("done");
		fflush(stdout);
	}
	return 0;
}
