package answer

import (
	"testing"

	"memtrace/tracer/report"
)

func TestOfLibrary(t *testing.T) {
	target := &report.Target{Exe: "/usr/bin/app", Libc: libc}
	own := []string{
		"main", "make_copy", "list_realloc", "session_strdup", "read_getline", "malloc_worker", "palloc_stats_page", "new_heap_profile",
		"std::vector<int> app::make_copy<int>(std::vector<int> const&)", "app::Registry<long, std::string>::remember(std::string const&)",
		"void app::f<int, std::string>(int)", "core::load_asset(char const*)", "MemoryContextWatcher::run()", "std::string to_text(int)",
		"rust_server::handle", "webapp::remember", "<app::LogBuffer as std::io::Write>::write", "<app::It as core::iter::Iterator>::next",
		"<alloc::vec::Vec<u8> as app::Store>::put", "runtime2.Foo", "main.renderTemplate", "net/http.(*conn).serve", "sort.isra.0",
		"github.com/some-one/bytes.Keep", "(anonymous namespace)::cache::fill(int)",
	}
	library := []string{
		"malloc", "xmalloc", "my_malloc", "zmalloc", "zcalloc", "ztrymalloc_usable", "je_rallocx", "_rjem_malloc", "__libc_malloc", "strdup", "xstrdup",
		"operator new(unsigned long)", "operator new[](unsigned long)", "std::string::assign(char const*)",
		"void std::vector<int, std::allocator<int> >::_M_realloc_insert<int>(int&&)", "__gnu_cxx::new_allocator<char>::allocate(unsigned long, void const*)",
		"std::map<int, (anonymous namespace)::entry>::operator[](int const&)",
		"alloc::raw_vec::finish_grow", "<alloc::vec::Vec<T> as core::iter::traits::collect::FromIterator<T>>::from_iter", "<T as alloc::slice::hack::ConvertVec>::to_vec",
		"<u8 as alloc::vec::spec_from_elem::SpecFromElem>::from_elem", "<app::Counting as core::alloc::global::GlobalAlloc>::alloc", "core::ops::function::FnOnce::call_once",
		"__rustc[2bf0]::__rust_alloc", "__rust_alloc", "hashbrown::raw::RawTable<T,A>::reserve_rehash", "runtime.mallocgc", "runtime/cgo.init", "_cgo_0123_Cfunc__Cmalloc",
		"main._Cfunc_CString", "main._cgo_cmalloc", "github.com/some-one/db%2ego._Cfunc_CString", "internal/bytealg.MakeNoZero", "bytes.Repeat",
		"strings.(*Builder).grow", "slices.Grow[go.shape.int]", "palloc0", "MemoryContextAllocZero", "AllocSetAlloc", "g_malloc0", "PyMem_RawMalloc", "_PyObject_Malloc", "_emalloc", "zend_mm_alloc_huge",
		"ngx_palloc", "ngx_create_pool_malloc", "mmap64", "_IO_file_doallocate", "mi_heap_malloc", "pymalloc_alloc.isra.0",
	}
	for want, names := range map[bool][]string{false: own, true: library} {
		for _, name := range names {
			if got := ofLibrary(&report.Frame{Function: name, Module: "/usr/bin/app"}, target); got != want {
				t.Errorf("%s: of a library: %v", name, got)
			}
		}
	}
	for module, want := range map[string]bool{libc: true, "/usr/lib/libglib-2.0.so.0": true, "/usr/lib/libstdc++.so.6": true, "/opt/libcache.so": false, "/usr/bin/app": false} {
		if got := ofLibrary(&report.Frame{Function: "f", Module: module}, target); got != want {
			t.Errorf("%s: of a library: %v", module, got)
		}
	}
}

// In a stripped Go program cgo's functions of C have no names, and are not the program's own.
func TestOwnFrameBehindCgo(t *testing.T) {
	target := &report.Target{Exe: "/usr/bin/app"}
	var frames []report.Frame
	for _, name := range []string{"", "runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_CString", "main.renderTemplate", "main.main", "runtime.main", "runtime.goexit"} {
		f := report.Frame{Function: name, Module: target.Exe}
		MarkLibrary(&f, target)
		frames = append(frames, f)
	}
	if own := frames[OwnFrame(frames, target)].Function; own != "main.renderTemplate" {
		t.Errorf("the program's own frame is %q", own)
	}
}
