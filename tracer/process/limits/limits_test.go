package limits

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests of this file are about what the machine that runs them may not have: a tree of
// files stands for it.

// tree writes files below a folder, which it returns. Those of process 7 and of the machine
// are there unless files has others.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	all := map[string]string{
		"proc/7/status": "Name:\tx\nVmSize:\t    2048 kB\nVmData:\t     512 kB\n",
		"proc/7/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max data size             unlimited            unlimited            bytes     \n" +
			"Max address space         unlimited            unlimited            bytes     \n",
		"proc/meminfo":              "MemTotal:       4096 kB\nMemFree:  100 kB\nMemAvailable:    1024 kB\nSwapFree:   512 kB\n",
		"proc/sys/vm/max_map_count": "65530\n",
	}
	for name, text := range files {
		all[name] = text
	}
	root := t.TempDir()
	for name, text := range all {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// v2 returns the files of a cgroup.
func v2(dir string, files map[string]string) map[string]string {
	all := map[string]string{
		"cgroup.procs": "7\n", "memory.max": "max\n", "memory.high": "max\n", "memory.current": "5000\n",
		"memory.stat": "anon 3000\nfile 2000\nslab_inactive_file 9\ninactive_file 600\nactive_file 400\n", "memory.swap.max": "max\n", "memory.swap.current": "0\n",
	}
	for name, text := range files {
		all[name] = text
	}
	below := make(map[string]string)
	for name, text := range all {
		below[filepath.Join(dir, name)] = text
	}
	return below
}

func join(trees ...map[string]string) map[string]string {
	all := make(map[string]string)
	for _, files := range trees {
		for name, text := range files {
			all[name] = text
		}
	}
	return all
}

// at returns the files that say which cgroup the process is in and where they are mounted.
func at(cgroup string, mounts ...string) map[string]string {
	text := "24 1 0:22 / / rw - ext4 /dev/sda rw\nnot a mount\n"
	return map[string]string{"proc/7/cgroup": cgroup, "proc/self/mountinfo": text + strings.Join(mounts, "\n") + "\n"}
}

const (
	mountV2   = "31 24 0:38 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
	mountV1   = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
	mountCPU  = "36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu"
	unlimited = "9223372036854771712\n"
)

func TestCgroups(t *testing.T) {
	limit := func(value, used uint64) Limit { return Limit{Set: true, Value: value, Used: used} }
	const swap = 512 << 10
	base := "sys/fs/cgroup"
	root := map[string]string{base + "/cgroup.procs": ""} // the root has no limits
	service := join(root,
		v2(base+"/a.slice", map[string]string{"memory.high": "7000\n", "memory.current": "6000\n", "memory.swap.max": "300\n", "memory.swap.current": "100\n"}),
		v2(base+"/a.slice/x.service", map[string]string{"memory.max": "8000\n"}))
	v1 := func(dir, most, hierarchical string) map[string]string {
		return map[string]string{
			dir + "/cgroup.procs": "", dir + "/memory.limit_in_bytes": most, dir + "/memory.usage_in_bytes": "5000\n", dir + "/memory.use_hierarchy": hierarchical,
			dir + "/memory.stat": "inactive_file 1\nactive_file 1\ntotal_inactive_file 600\ntotal_active_file 400\n",
		}
	}
	for name, test := range map[string]struct {
		files  map[string]string
		want   []Cgroup
		unread []string
	}{
		"service": {
			join(at("0::/a.slice/x.service\n", mountV2), service),
			[]Cgroup{
				{Path: "/a.slice/x.service", Max: limit(8000, 4000), Cache: 1000, SwapFree: 200},
				{Path: "/a.slice", High: limit(7000, 5000), Cache: 1000, SwapFree: 200},
			},
			nil,
		},
		"mounted elsewhere, with a space": {
			join(at("0::/x\n", `31 24 0:38 / /my\040groups rw - cgroup2 none rw`), v2("my groups/x", map[string]string{"memory.max": "8000"})),
			[]Cgroup{{Path: "/x", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"container without a namespace of cgroups": {
			join(at("0::/docker/ab/app\n", "31 24 0:38 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw"),
				v2(base, map[string]string{"memory.max": "8000"}), v2(base+"/app", nil)),
			[]Cgroup{{Path: "/docker/ab", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"container with a namespace": {
			join(at("0::/\n", mountV2), v2(base, map[string]string{"memory.max": "8000"})),
			[]Cgroup{{Path: "/", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"outside of the namespace": {
			join(at("0::/../x\n", mountV2), service), nil,
			[]string{"the limits of cgroup /../x, which no mount shows"},
		},
		"outside of the namespace, mounted": {
			join(at("0::/../x\n", "31 24 0:38 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw"), root, v2(base+"/x", map[string]string{"memory.max": "8000"})),
			[]Cgroup{{Path: "/../x", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"a mount that another one hides, and a mount of a part": {
			join(at("0::/a.slice/x.service\n", "30 24 0:38 /a.slice /part rw - cgroup2 cgroup2 rw", "29 24 0:38 / /hidden rw - cgroup2 cgroup2 rw", mountV2), service, v2("part/x.service", map[string]string{"memory.max": "8000"})),
			[]Cgroup{
				{Path: "/a.slice/x.service", Max: limit(8000, 4000), Cache: 1000, SwapFree: 200},
				{Path: "/a.slice", High: limit(7000, 5000), Cache: 1000, SwapFree: 200},
			},
			nil,
		},
		"deleted": {
			join(at("0::/gone (deleted)\n", mountV2), service), nil,
			[]string{"the limits of cgroup /gone (deleted), which no mount shows"},
		},
		"nothing may be used": {
			join(at("0::/x\n", mountV2), v2(base+"/x", map[string]string{"memory.high": "0\n", "memory.swap.max": "0\n"})),
			[]Cgroup{{Path: "/x", High: limit(0, 4000), Cache: 1000}},
			nil,
		},
		"no memory controller at this level": {
			join(at("0::/a.slice/x.service/leaf\n", mountV2), service, map[string]string{base + "/a.slice/x.service/leaf/cgroup.procs": ""}),
			[]Cgroup{
				{Path: "/a.slice/x.service", Max: limit(8000, 4000), Cache: 1000, SwapFree: 200},
				{Path: "/a.slice", High: limit(7000, 5000), Cache: 1000, SwapFree: 200},
			},
			nil,
		},
		"hybrid, v1 has the memory controller": {
			join(at("4:memory:/j\n1:cpu:/\n0::/a.slice/x.service\n", mountCPU, mountV1, strings.Replace(mountV2, "cgroup rw", "cgroup/unified rw", 1)),
				v1(base+"/memory", unlimited, "1"), v1(base+"/memory/j", "8000", "1")),
			[]Cgroup{{Path: "/j", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"hybrid, v2 has it": {
			join(at("1:cpu:/j\n0::/x\n", mountCPU, mountV2), v2(base+"/x", map[string]string{"memory.max": "8000"})),
			[]Cgroup{{Path: "/x", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"v1, with limits of memory and swap": {
			join(at("4:cpu,memory:/j/k\n", mountV1), v1(base+"/memory", unlimited, "1"), v1(base+"/memory/j", "9000", "1"), v1(base+"/memory/j/k", "8000", "1"),
				map[string]string{base + "/memory/j/memory.memsw.limit_in_bytes": "9500", base + "/memory/j/memory.memsw.usage_in_bytes": "5100"}),
			[]Cgroup{
				{Path: "/j/k", Max: limit(8000, 4000), Cache: 1000, SwapFree: 400},
				{Path: "/j", Max: limit(9000, 4000), Cache: 1000, SwapFree: 400},
			},
			nil,
		},
		"v1 without a hierarchy": {
			join(at("4:memory:/j/k\n", mountV1), v1(base+"/memory", unlimited, "0"), v1(base+"/memory/j", "6000", "0"), v1(base+"/memory/j/k", "8000", "0")),
			[]Cgroup{{Path: "/j/k", Max: limit(8000, 4000), Cache: 1000, SwapFree: swap}},
			nil,
		},
		"no cgroups": {nil, nil, nil},
		"use unknown": {
			join(at("0::/x\n", mountV2), v2(base+"/x", map[string]string{"memory.max": "8000", "memory.current": "?"})), nil,
			[]string{"what is used of the limit of cgroup /x"},
		},
	} {
		l, err := read(tree(t, test.files), 7, 30)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, l.Cgroups); diff != "" || !slices.Equal(l.Unread, test.unread) {
			t.Errorf("%s: %sunread %q, want %q", name, diff, l.Unread, test.unread)
		}
	}
}

func TestResources(t *testing.T) {
	line := func(name, soft, hard string) string { return name + "   " + soft + "     " + hard + "    bytes\n" }
	head := "Limit                     Soft Limit           Hard Limit           Units     \n"
	data := func(used uint64) Limit { return Limit{Set: true, Value: 1 << 20, Used: used} }
	for name, test := range map[string]struct {
		files map[string]string
		want  Limits
	}{
		"soft": {
			map[string]string{"proc/7/limits": head + line("Max data size", "1048576", "unlimited") + line("Max address space", "1048576", "2097152")},
			Limits{Data: data(512 << 10), AddressSpace: data(2 << 20)},
		},
		"Valgrind's": {
			map[string]string{"proc/7/limits": head + line("Max data size", "0", "1048576")},
			Limits{Data: data(512 << 10)},
		},
		"data only warned about": {
			map[string]string{
				"proc/7/limits": head + line("Max data size", "1048576", "unlimited"),
				"sys/module/kernel/parameters/ignore_rlimit_data": "Y\n",
			},
			Limits{},
		},
		"unknown use": {
			map[string]string{"proc/7/limits": head + line("Max address space", "1048576", "unlimited"), "proc/7/status": "Name:\tx\n"},
			Limits{Unread: []string{"VmSize"}},
		},
		"nothing to be read": {
			map[string]string{"proc/meminfo": "", "proc/sys/vm/max_map_count": ""},
			Limits{Unread: []string{"the machine's memory", "vm.max_map_count"}},
		},
	} {
		l, err := read(tree(t, test.files), 7, 30)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Contains(l.Unread, "the machine's memory") {
			test.want.Machine = Machine{Total: 4 << 20, Available: 1 << 20, SwapFree: 512 << 10}
			test.want.Mappings = Limit{Set: true, Value: 65530, Used: 30}
		}
		if diff := cmp.Diff(&test.want, l); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
