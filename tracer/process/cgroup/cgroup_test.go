package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/cgroup"
	"memtrace/tracer/testsupport/testprog"
)

// hierarchy returns a folder in which cgroups can be made, of the version that this machine
// uses most. It mounts the file system of v2 if nothing is mounted.
func hierarchy(t *testing.T) cgroup.Mount {
	t.Helper()
	testprog.NeedRoot(t)
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range cgroup.Mounts(string(text)) {
		if m.Root == "/" && (m.Hierarchy == cgroup.V2 || m.Hierarchy == "memory") && unix.Access(m.Point, unix.W_OK) == nil {
			return m
		}
	}
	point := t.TempDir()
	if err := unix.Mount("none", point, "cgroup2", 0, ""); err != nil {
		testprog.Missing(t, "needs a mount of cgroups")
	}
	t.Cleanup(func() {
		if err := unix.Unmount(point, 0); err != nil {
			t.Error(err)
		}
	})
	return cgroup.Mount{Hierarchy: cgroup.V2, Root: "/", Point: point}
}

// makeCgroup makes a cgroup and those above it, and removes them after the test.
func makeCgroup(t *testing.T, point, path string) {
	t.Helper()
	dir := point
	for element := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		dir = filepath.Join(dir, element)
		if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeCgroup(t, dir) })
	}
}

// removeCgroup waits until the kernel has seen the end of the processes in it.
func removeCgroup(t *testing.T, dir string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Error(err)
			return
		}
	}
}

// sleeper starts a process that is in a cgroup.
func sleeper(t *testing.T, point, path string) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	procs := filepath.Join(point, path, "cgroup.procs")
	if err := os.WriteFile(procs, []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// expect checks which processes a cgroup has.
func expect(t *testing.T, c *cgroup.Cgroup, err error, want ...int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	for _, known := range [][]int{nil, want, {1, os.Getpid()}} {
		pids, err := c.PIDs(known)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(pids, want) {
			t.Errorf("%v has processes %v, not %v", c, pids, want)
		}
	}
}

func TestByPath(t *testing.T) {
	m := hierarchy(t)
	name := fmt.Sprintf("memtrace-test-%d", os.Getpid())
	makeCgroup(t, m.Point, name+"/inner")
	c, err := cgroup.ByPath(name)
	expect(t, c, err)
	outer, inner := sleeper(t, m.Point, name), sleeper(t, m.Point, name+"/inner")
	for _, path := range []string{name, "/" + name, name + "/", filepath.Join(m.Point, name)} {
		c, err := cgroup.ByPath(path)
		expect(t, c, err, outer, inner)
	}
	c, err = cgroup.ByPath(name + "/inner")
	expect(t, c, err, inner)
	if _, err := cgroup.ByPath(name + "/other"); !errors.Is(err, cgroup.ErrNotFound) {
		t.Errorf("a cgroup that is not there: %v", err)
	}
}

func TestPIDsOfRemoved(t *testing.T) {
	m := hierarchy(t)
	name := fmt.Sprintf("memtrace-test-%d", os.Getpid())
	makeCgroup(t, m.Point, name)
	c, err := cgroup.ByPath(name)
	expect(t, c, err)
	removeCgroup(t, filepath.Join(m.Point, name))
	if _, err := c.PIDs(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a removed cgroup: %v", err)
	}
}

// TestByContainer makes cgroups as runtimes make them.
func TestByContainer(t *testing.T) {
	m := hierarchy(t)
	base := fmt.Sprintf("memtrace-test-%d", os.Getpid())
	id := func(digit string) string { return "deadbeef" + strings.Repeat(digit, 56) }
	elements := []string{
		"docker/" + id("0"), "docker-" + id("1") + ".scope", "cri-containerd-" + id("2") + ".scope",
		"crio-" + id("3") + ".scope", "libpod-" + id("4") + ".scope/container", "kubepods-burstable-pod1.slice:cri-containerd:" + id("5"),
	}
	for i, element := range elements {
		path := base + "/" + element
		makeCgroup(t, m.Point, path)
		pid := sleeper(t, m.Point, path)
		full := id(strconv.Itoa(i))
		for _, name := range []string{full, full[:12], "containerd://" + full} {
			c, err := cgroup.ByContainer(name)
			expect(t, c, err, pid)
		}
	}
	conmon := base + "/libpod-conmon-" + id("6") + ".scope"
	makeCgroup(t, m.Point, conmon)
	sleeper(t, m.Point, conmon)
	for _, name := range []string{id("6"), id("7")} {
		if _, err := cgroup.ByContainer(name); !errors.Is(err, cgroup.ErrNotFound) {
			t.Errorf("container %s: %v", name, err)
		}
	}
	if _, err := cgroup.ByContainer("deadbeef"); err == nil || !strings.Contains(err.Error(), "6 containers") {
		t.Errorf("an ambiguous id: %v", err)
	}
	for _, name := range []string{"", "dea", "web", "nginx_1"} {
		if _, err := cgroup.ByContainer(name); err == nil || !strings.Contains(err.Error(), "not its name") {
			t.Errorf("container %q: %v", name, err)
		}
	}
}

func TestByUnit(t *testing.T) {
	m := hierarchy(t)
	base := fmt.Sprintf("memtrace-test-%d.slice", os.Getpid())
	name := fmt.Sprintf("memtrace-test-%d", os.Getpid())
	makeCgroup(t, m.Point, base+"/"+name+".service/inner")
	main, worker := sleeper(t, m.Point, base+"/"+name+".service"), sleeper(t, m.Point, base+"/"+name+".service/inner")
	for _, unit := range []string{name, name + ".service", base} {
		c, err := cgroup.ByUnit(unit)
		expect(t, c, err, main, worker)
	}
	if !slices.Contains(cgroup.Units(), name+".service") {
		t.Error("the unit is not listed")
	}
	if _, err := cgroup.ByUnit(name + "-other"); !errors.Is(err, cgroup.ErrNotFound) {
		t.Errorf("a unit that is not there: %v", err)
	}
	other := base + "/user/" + name + ".service"
	makeCgroup(t, m.Point, other)
	sleeper(t, m.Point, other)
	if _, err := cgroup.ByUnit(name); err == nil || !strings.Contains(err.Error(), "2 units") || !strings.Contains(err.Error(), other) {
		t.Errorf("an ambiguous unit: %v", err)
	}
}
