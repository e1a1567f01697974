// Package debpkg fetches packages of Debian's releases for tests: kernels to boot, C libraries
// and allocators to read and to run programs on. It is for tests of this module only.
//
// The packages come from the Debian mirror that apt is already configured with, through apt
// itself with lists of its own. So proxies, keys and checksums are left to apt, and nothing on
// the machine is installed or changed. The packages are kept in the user's cache directory,
// one directory a suite, so that only a newer version is fetched again. A library,
// pault.ag/go/debian, would save some 60 lines here, bring six further modules and leave all
// of apt's part (docs/LIBRARIES.md).
package debpkg
