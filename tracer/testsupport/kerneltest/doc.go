// Package kerneltest runs a program as root on the kernels of Debian's releases. Each is
// booted in qemu with software emulation, so that neither KVM nor root is needed on the host.
//
// The kernels come from the machine's own Debian mirror (see debpkg). The guest has no
// distribution. Its whole file system is an initramfs made of the files that a [Guest] names,
// the shared libraries they need, and the init in kerneltest/init, which runs one command and
// ends the machine.
//
// The host needs a Debian release with qemu-system-x86. The caller decides what to run in the
// guest, and what counts as success.
package kerneltest
