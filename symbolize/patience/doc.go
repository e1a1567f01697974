// Package patience reads foreign files and processes with a time limit. A file system in user
// space (FUSE) may take a request and never answer it. Whoever waits for it in the kernel then
// can be neither woken nor killed.
//
// Do calls a function in another goroutine and gives up on it after a while. But a request to
// a hanging file system from this process would keep it from exiting. So files are first
// opened and read by a child process, which then hangs in place of this one.
package patience
