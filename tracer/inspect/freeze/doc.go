// Package freeze takes a picture of a process: it stops all its threads, copies their registers, the
// pages that are the process's own and what the kernel keeps for it, and lets them go on. What is
// looked at then is of one moment.
//
// Take says beforehand how long that would take, by what copying some of these pages takes, and
// refuses if it is too long. While the process is stopped it watches the clock, and lets the process
// go, with an error, when the time is over.
//
// Threads are stopped by PTRACE_SEIZE and PTRACE_INTERRUPT (ptrace(2)), which send no signal. A stop
// ends some calls that wait, such as epoll_wait and semop, with EINTR (signal(7)). If the thread
// of this process that is their tracer ends, however it does, the kernel lets them go on: the option
// PTRACE_O_EXITKILL is not set.
package freeze
