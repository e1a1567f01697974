/* Functions whose frames need each kind of rule that GCC emits. Compiled by
 * compiled_test.go, never run. */
#include <alloca.h>
#include <stdlib.h>
#include <string.h>

extern void sink(void *);

__attribute__((noinline)) void sink(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* A frame of fixed size: CFA relative to rsp. */
__attribute__((noinline)) int plain(int n)
{
	char buffer[300];

	memset(buffer, n, sizeof(buffer));
	sink(buffer);
	return buffer[n & 127];
}

/* A frame too large for 16 bits. */
__attribute__((noinline)) int huge(int n)
{
	char buffer[200000];

	sink(buffer);
	return buffer[n];
}

/* A frame of variable size: CFA relative to rbp. */
__attribute__((noinline)) int variable(int n)
{
	char *buffer = alloca(n);

	sink(buffer);
	return buffer[0];
}

/* A realigned frame of variable size: the CFA is in memory at rbp - x, rbp is
 * saved by an expression, and the prologue has the CFA in another register. */
__attribute__((noinline)) int realigned(int n, int a, int b, int c, int d, int e, int f, int g)
{
	char fixed[64] __attribute__((aligned(64)));
	char *buffer = alloca(n);

	sink(fixed);
	sink(buffer);
	return fixed[0] + a + b + c + d + e + f + g;
}

/* Ends with a call: its return address is behind the function. */
__attribute__((noinline, noreturn)) void never(void)
{
	sink(0);
	abort();
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 5)
		never();
	return plain(argc) + huge(argc) + variable(argc) +
	       realigned(argc, 1, 2, 3, 4, 5, 6, 7);
}
