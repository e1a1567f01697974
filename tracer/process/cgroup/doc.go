// Package cgroup tells which cgroups processes are in, and which processes a cgroup has: one
// that is named by its path, by the container that runs in it, or by the systemd unit.
//
// It reads small files of /proc and of the cgroup file system, and nothing that a process could
// hold up. It knows both versions of cgroups, and machines that have both.
package cgroup
