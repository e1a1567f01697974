// registers: two blocks whose only pointers are in registers, of 1000 bytes in a general one and of
// 2000 bytes in a wide one. Runs until it is killed.
// gcc -O1 -g
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

// scrub overwrites what earlier calls have left below the stack pointer.
static __attribute__((noinline)) void scrub(void)
{
	volatile char space[64 << 10];
	for (unsigned i = 0; i < sizeof space; i++)
		space[i] = 0x55;
}

int main(void)
{
	uintptr_t a = ~(uintptr_t)malloc(1000), b = ~(uintptr_t)malloc(2000);
	if (write(1, "ready registers\n", 16) != 16)
		return 1;
	scrub();
#if defined(__x86_64__)
	__asm__ volatile("not %%rax\n\tnot %%rbx\n\tmovq %%rbx, %%xmm7\n\txor %%ebx, %%ebx\n"
			 "1:\tpause\n\tjmp 1b" : : "a"(a), "b"(b) : "xmm7");
#elif defined(__aarch64__)
	__asm__ volatile("mvn x9, %0\n\tmvn x10, %1\n\tfmov d7, x10\n\tmov x10, xzr\n"
			 "1:\tyield\n\tb 1b" : : "r"(a), "r"(b) : "x9", "x10", "v7");
#endif
}
