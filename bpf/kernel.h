/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The fields that are read of the kernel's structures. CO-RE finds where they are. */
#ifndef MEMTRACE_KERNEL_H
#define MEMTRACE_KERNEL_H

/* A process's page for uprobes' own code. Calls with a return probe return to its start. */
struct xol_area {
	unsigned long vaddr;
} __attribute__((preserve_access_index));

struct uprobes_state {
	struct xol_area *xol_area;
} __attribute__((preserve_access_index));

struct mm_struct {
	unsigned long start_code, end_code, start_brk, brk, start_stack;
	struct uprobes_state uprobes_state;
} __attribute__((preserve_access_index));

/* A return probe whose call has not returned. stack is the stack pointer at its entry. */
struct return_instance {
	unsigned long orig_ret_vaddr;
	unsigned long stack;
	struct return_instance *next;
} __attribute__((preserve_access_index));

struct uprobe_task {
	struct return_instance *return_instances;
} __attribute__((preserve_access_index));

struct signal_struct {
	struct {
		int counter;
	} live;
} __attribute__((preserve_access_index));

#if defined(__TARGET_ARCH_x86)
struct thread_struct {
	unsigned long fsbase; /* where the thread's own memory is */
} __attribute__((preserve_access_index));
#endif

struct qstr {
	const unsigned char *name;
} __attribute__((preserve_access_index));

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} __attribute__((preserve_access_index));

struct vfsmount {
	struct dentry *mnt_root;
} __attribute__((preserve_access_index));

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} __attribute__((preserve_access_index));

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} __attribute__((preserve_access_index));

struct super_block {
	unsigned int s_dev;
} __attribute__((preserve_access_index));

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_generation;
} __attribute__((preserve_access_index));

struct file {
	struct path f_path;
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} __attribute__((preserve_access_index));

struct files_struct {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct fs_struct {
	struct path root;
} __attribute__((preserve_access_index));

struct task_struct {
#if defined(__TARGET_ARCH_x86)
	struct thread_struct thread;
#endif
	int pid;
	int tgid;
	int exit_code;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct files_struct *files;
	struct fs_struct *fs;
	struct uprobe_task *utask;
	unsigned long sas_ss_sp, sas_ss_size; /* the stack of sigaltstack(2) */
	unsigned int sas_ss_flags;
} __attribute__((preserve_access_index));

/* In a map's value: work for a task to do on its way back to user mode. */
struct bpf_task_work {
	__u64 __opaque;
} __attribute__((aligned(8)));

/* Only named in the type of a callback. */
struct bpf_map {
	__u32 id;
} __attribute__((preserve_access_index));

/* Kernel functions for BPF programs (kfuncs). bpf_task_work_schedule_resume is there since
 * Linux 7.0; 6.18 has it with one more argument, as bpf_task_work_schedule_resume_impl. The
 * others are there since 6.2. */
extern int bpf_task_work_schedule_resume(struct task_struct *task, struct bpf_task_work *work,
					 void *map__map,
					 int (*callback)(struct bpf_map *, void *, void *))
	__ksym __weak;
extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *work,
					      void *map__map,
					      int (*callback)(struct bpf_map *, void *, void *),
					      void *aux__prog) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

#endif
