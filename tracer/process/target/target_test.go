package target

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

func TestFind(t *testing.T) {
	path := testprog.BuildProgram(t, "gcc", waiting)
	pid, _ := start(t, exec.Command(path))
	found := find(t, pid)
	if found.PID != pid || found.Command != "program" || found.Exe != path || found.Seccomp {
		t.Errorf("got %+v", found)
	}
	if got := families(found); !slices.Equal(got, []Family{Glibc}) {
		t.Fatalf("families %v, want glibc alone", got)
	}
	checkProbes(t, found.Objects[0].OpenPath(), found.Objects[0])
	fresh, err := found.Update()
	if err != nil || len(fresh) != 0 {
		t.Errorf("second look: got %v, %v, want nothing new", fresh, err)
	}
}

// TestUpdate looks at a program that maps an allocator late.
func TestUpdate(t *testing.T) {
	library := testprog.BuildProgram(t, "gcc -shared -fPIC", "void *malloc(unsigned long n) { return (void *)n; }")
	cmd := exec.Command(testprog.BuildProgram(t, "gcc", `
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
	char c;
	puts("ready");
	fflush(stdout);
	if (argc < 2 || read(0, &c, 1) != 1 || !dlopen(argv[1], RTLD_NOW))
		return 1;
	for (;;)
		pause();
}
`), library)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := start(t, cmd)
	found := find(t, pid)
	if _, err := in.Write([]byte{'\n'}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		fresh, err := found.Update()
		if err != nil {
			t.Fatal(err)
		}
		if len(fresh) == 0 {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if len(fresh) != 1 || fresh[0].Path != library || len(found.Objects) != 2 {
			t.Errorf("got %+v, want %s", fresh, library)
		}
		return
	}
	t.Errorf("%s was not found", library)
}

func TestStatic(t *testing.T) {
	path := testprog.BuildProgram(t, "gcc -static", waiting)
	pid, _ := start(t, exec.Command(path))
	found := find(t, pid)
	if got := families(found); !slices.Equal(got, []Family{Glibc}) {
		t.Fatalf("families %v, want glibc", got)
	}
	probes := checkProbes(t, path, found.Objects[0])
	for _, name := range []string{"malloc", "realloc", "free"} {
		if _, ok := probes[name]; !ok {
			t.Errorf("no probe on %s", name)
		}
	}
}

func TestMuslProgram(t *testing.T) {
	needAMD64(t)
	testprog.NeedTool(t, "musl-gcc")
	pid, _ := start(t, exec.Command(testprog.BuildProgram(t, "musl-gcc", waiting)))
	if got := families(find(t, pid)); !slices.Equal(got, []Family{Musl}) {
		t.Errorf("families %v, want musl", got)
	}
}

// TestPreload: an allocator is loaded before libc, next to libc's own.
func TestPreload(t *testing.T) {
	program := testprog.BuildProgram(t, "gcc", waiting)
	for library, family := range map[string]Family{
		"libjemalloc.so.2":         Jemalloc,
		"libtcmalloc_minimal.so.4": Tcmalloc,
		"libmimalloc.so.2":         Mimalloc,
	} {
		t.Run(string(family), func(t *testing.T) {
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+testprog.Library(t, library))
			pid, _ := start(t, cmd)
			got := families(find(t, pid))
			slices.Sort(got)
			want := []Family{Glibc, family}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("families %v, want %v", got, want)
			}
		})
	}
}

// TestReplaced: a package update replaces the libc that a process has mapped.
func TestReplaced(t *testing.T) {
	testprog.NeedRoot(t)
	image, err := os.ReadFile(testprog.Library(t, "libc.so.6"))
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"deleted", "replaced"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			library := filepath.Join(dir, "libc.so.6")
			if err := os.WriteFile(library, image, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(testprog.BuildProgram(t, "gcc", waiting))
			cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir)
			pid, _ := start(t, cmd)
			if err := os.Remove(library); err != nil {
				t.Fatal(err)
			}
			if how == "replaced" {
				if err := os.WriteFile(library, []byte("something else"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			found := find(t, pid)
			if got := families(found); !slices.Equal(got, []Family{Glibc}) {
				t.Fatalf("families %v, want glibc", got)
			}
			o := found.Objects[0]
			if o.Path != library {
				t.Errorf("path %q, want %q", o.Path, library)
			}
			now, err := os.ReadFile(o.OpenPath())
			if err != nil || !slices.Equal(now, image) {
				t.Errorf("%s holds %d bytes (%v), not the mapped file", o.OpenPath(), len(now), err)
			}
		})
	}
}

func TestSeccomp(t *testing.T) {
	const text = `
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
static void *filter(void *arg) {
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {1, allow};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		perror("seccomp");
	puts("ready");
	fflush(stdout);
	pause();
	return arg;
}
int main(void) {
#ifdef THREAD
	pthread_t t;
	pthread_create(&t, NULL, filter, NULL);
#else
	filter(NULL);
#endif
	for (;;)
		pause();
}
`
	for name, flags := range map[string]string{"process": "gcc -pthread", "one thread": "gcc -pthread -DTHREAD"} {
		t.Run(name, func(t *testing.T) {
			pid, _ := start(t, exec.Command(testprog.BuildProgram(t, flags, text)))
			if !find(t, pid).Seccomp {
				t.Error("the filter is not seen")
			}
		})
	}
}
