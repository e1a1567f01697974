// build: gcc -O1 -g -pthread
// Variables of several kinds, and where they are.
#include <stdio.h>

int initialised[10] = {1};
static long zero[20];
const char *const relocated[2] = {"a", "b"};
__thread char odd[25];
__thread long initialised_thread = 4;

static void say(const void *p, const char *name, const char *section) { printf("%lx %s %s\n", (unsigned long)p, name, section); }

int main(void) {
	static int local[4];
	puts("ready variables");
	fflush(stdout);
	getchar();
	say(initialised, "initialised", ".data");
	say(&initialised[9], "initialised", ".data");
	say(zero, "zero", ".bss");
	say((char *)zero + 159, "zero", ".bss");
	say(relocated, "relocated", ".data.rel.ro");
	say(local, "local", ".bss");
	say(stdout, "_IO_2_1_stdout_", ".data");
	say(&odd[1], "odd", "TLS");
	say(&initialised_thread, "initialised_thread", "TLS");
	puts("done");
	fflush(stdout);
	getchar();
	getchar();
}
