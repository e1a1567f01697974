/* A program without the C library's start files, which always bring an
 * .eh_frame along. Compiled by compiled_test.go, never run. */
static __attribute__((noinline)) int sum(volatile int *numbers, int n)
{
	int total = 0;

	for (int i = 0; i < n; i++)
		total += numbers[i];
	return total;
}

void _start(void)
{
	volatile int numbers[100];

	for (int i = 0; i < 100; i++)
		numbers[i] = i;
	numbers[0] = sum(numbers, 100) + sum(numbers, 50);
	for (;;)
		;
}
