/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which file is mapped as code. A library may be gone again before user space gets to look at
 * the mappings, or another one be in its place.
 */
#ifndef MEMTRACE_MAPPED_H
#define MEMTRACE_MAPPED_H

#define MAX_NAME 256
/* How many directories and mounts are passed on the way up. */
#define MAX_STEPS 40

/* The file behind a descriptor of the calling process, NULL if there is none. Another thread
 * may close it at any time, so what is read of it may be anything. */
static __always_inline struct file *file_of(struct task_struct *task, __u64 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/*
 * Moves from a file or directory to the one above, and writes its name. Returns false at the
 * process's root, or where there is no way on. The state is in memory, of which the verifier
 * knows nothing. Otherwise it would check each step for each length of the path so far. This is
 * a function of its own, because clang would lay out the loop around it in a way that the
 * verifiers of Linux 5.10 and 6.1 take for endless.
 */
static __noinline bool climb_on(struct thread *t)
{
	volatile struct climb *c = &t->climb;
	struct dentry *d = (struct dentry *)c->dentry, *above;
	struct vfsmount *v = (struct vfsmount *)c->mount;
	__u64 in_mount = bpf_core_field_offset(struct mount, mnt);
	__u64 used = c->used;
	long n;

	if (c->dentry == c->root && c->mount == c->root_mount) {
		c->whole = 1;
		return false;
	}
	if (d == BPF_CORE_READ(v, mnt_root)) {
		struct mount *m = (void *)v - in_mount, *parent = BPF_CORE_READ(m, mnt_parent);

		c->dentry = (__u64)BPF_CORE_READ(m, mnt_mountpoint);
		c->mount = (__u64)parent + in_mount;
		return parent != m; /* else the mount is not below the process's root */
	}
	if (used > PATH_BYTES - MAX_NAME)
		return false;
	n = bpf_probe_read_kernel_str(t->code.path + used, MAX_NAME, BPF_CORE_READ(d, d_name.name));
	above = BPF_CORE_READ(d, d_parent);
	if (n <= 1 || above == d)
		return false;
	c->used = used + n;
	c->dentry = (__u64)above;
	return true;
}

/* Writes the path of a file into t->code, and returns how many bytes it has, 0 if it is too long
 * or leads elsewhere than to the process's root. */
static __always_inline __u64 read_path(struct thread *t, struct task_struct *task, struct file *file)
{
	volatile struct climb *c = &t->climb;
	__u32 i;

	c->root = (__u64)BPF_CORE_READ(task, fs, root.dentry);
	c->root_mount = (__u64)BPF_CORE_READ(task, fs, root.mnt);
	c->dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
	c->mount = (__u64)BPF_CORE_READ(file, f_path.mnt);
	c->used = 0;
	c->whole = 0;
	for (i = 0; i < MAX_STEPS; i++)
		if (!climb_on(t))
			break;
	return c->whole ? c->used : 0;
}

/* Reports the file that a call of mmap has just mapped as code. */
static __always_inline void send_code(struct thread *t, __u64 id, __u64 time, __u64 addr,
				      __u64 size, const struct pt_regs *regs)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file *file = file_of(task, (__u32)SYS_ARG4(regs));
	struct event_code *c = &t->code;
	__u64 bytes, used;

	if (!file) { /* another thread has closed it */
		COUNT(lost_mmap, 1);
		return;
	}
	c->addr = addr;
	c->size = size;
	c->offset = SYS_ARG5(regs);
	c->dev = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	c->inode = BPF_CORE_READ(file, f_inode, i_ino);
	c->generation = BPF_CORE_READ(file, f_inode, i_generation);
	used = read_path(t, task, file);
	fill_header(&c->h, EV_CODE, used ? 0 : EV_TRUNCATED, id, time, 0);
	bytes = offsetof(struct event_code, path) + used;
	asm volatile("" : "+r"(bytes)); /* as for a stack */
	if (bytes > sizeof(*c))
		bytes = sizeof(*c);
	if (bpf_ringbuf_output(&events, c, bytes, BPF_RB_NO_WAKEUP))
		COUNT(lost_mmap, 1);
}

#endif
