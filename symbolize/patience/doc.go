// Package patience has foreign files and processes read beside the caller, for so long and
// no longer: a file system in user space (FUSE) may take a request and never answer it, and
// who waits in the kernel then cannot be woken up, nor ended.
//
// Do calls a function beside the caller and gives up on it after a while. What a file system
// that hangs is asked in this process keeps it from ending, so files are first opened and
// read by a child, which Files starts: whoever hangs then is the child.
package patience
