/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The shape of a function: where a call has its arguments and its result. tracer/process/target
 * makes it (Shape). A field of three bits names an argument, from 1 on, and is 0 where there is
 * none.
 */
#ifndef MEMTRACE_SHAPE_H
#define MEMTRACE_SHAPE_H

#define SHAPE_SIZE(shape) ((shape) & 7)		/* the size */
#define SHAPE_COUNT(shape) ((shape) >> 3 & 7)	/* what the size is multiplied by */
#define SHAPE_BLOCK(shape) ((shape) >> 6 & 7)	/* the block to free or to resize */
#define SHAPE_OUT(shape) ((shape) >> 9 & 7)	/* where the result is put */
#define SHAPE_BUFFER(shape) ((shape) >> 12 & 7) /* a buffer that is returned if it is not NULL */
#define SHAPE_REALLOC (1U << 15) /* the block is resized */
#define SHAPE_FREE (1U << 16)	 /* the block is freed */
/* Throws if there is no memory, and so has no return probe. */
#define SHAPE_THROWS (1U << 17)
#define SHAPE_RETURN (1U << 18) /* a return instruction of such a function */
/* The argument points to where the block's address is. */
#define SHAPE_INDIRECT (1U << 19)
/* The block is kept even if the new size is 0. */
#define SHAPE_KEEPS (1U << 20)
/* The block is freed even if it cannot be resized. */
#define SHAPE_FREES (1U << 21)
/* The result is the size of the block, which stays where it is. */
#define SHAPE_IN_PLACE (1U << 22)
/* What is allocated is a copy of a string. */
#define SHAPE_STRING (1U << 23)
/* Frees by way of other functions that are probed, perhaps, and has a return probe for that. */
#define SHAPE_WRAPS (1U << 24)
/* May be a wrapper, whose blocks another allocator serves: see struct call. */
#define SHAPE_PASSES (1U << 25)
/* The block is not in a chunk of glibc's. */
#define SHAPE_FOREIGN (1U << 26)

/* malloc(size). */
#define SHAPE_MALLOC 1U
/* Where the result is not simply a block. */
#define SHAPE_RARE (7U << 9 | 7U << 12 | SHAPE_FREE | SHAPE_IN_PLACE | SHAPE_STRING)

/*
 * The shape of the function that an entry program is on. The program is loaded once for each
 * shape, which tracer/probe puts in the place of this number. The verifier works out the rest, so
 * no program spends time on what other functions need.
 */
#define ENTRY_SHAPE 0x73686170
static __always_inline __u32 entry_shape(void)
{
	__u32 shape;

	asm volatile("%0 = %1" : "=r"(shape) : "i"(ENTRY_SHAPE));
	return shape;
}

/* A register, read by an instruction of its own: the verifier refuses one whose place among the
 * registers was computed. */
#define READ_ALONE(number, register)                                           \
	case number:                                                           \
		value = register;                                              \
		asm volatile("/* " #number " */" : "+r"(value));               \
		return value;

/* An argument of a function, from 1 on, as a shape says it. */
static __always_inline __u64 argument(struct pt_regs *ctx, __u32 number)
{
	__u64 value;

	switch (number) {
		READ_ALONE(1, ARG0(ctx))
		READ_ALONE(2, ARG1(ctx))
		READ_ALONE(3, ARG2(ctx))
		READ_ALONE(4, ARG3(ctx))
		READ_ALONE(5, ARG4(ctx))
		READ_ALONE(6, ARG5(ctx))
	}
	return 0;
}

/* How many bytes a call asks for. If the product overflows, the call fails and reports
 * nothing. */
static __always_inline __u64 size_asked(struct pt_regs *ctx, __u32 shape)
{
	__u64 size = argument(ctx, SHAPE_SIZE(shape));

	return SHAPE_COUNT(shape) ? size * argument(ctx, SHAPE_COUNT(shape)) : size;
}

#endif
