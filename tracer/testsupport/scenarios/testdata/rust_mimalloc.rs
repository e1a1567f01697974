// build: rustc -C debuginfo=1 -C link-arg=-l:libmimalloc.so.2
// Rust with mimalloc as its allocator. leak_box forgets what it allocates.
include!("truth.rs");

use std::alloc::{GlobalAlloc, Layout};
use std::os::raw::c_void;

extern "C" {
    fn mi_malloc_aligned(size: usize, align: usize) -> *mut c_void;
    fn mi_zalloc_aligned(size: usize, align: usize) -> *mut c_void;
    fn mi_realloc_aligned(p: *mut c_void, size: usize, align: usize) -> *mut c_void;
    fn mi_free(p: *mut c_void);
}

struct Mimalloc;

unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        mi_malloc_aligned(l.size(), l.align()) as *mut u8
    }
    unsafe fn alloc_zeroed(&self, l: Layout) -> *mut u8 {
        mi_zalloc_aligned(l.size(), l.align()) as *mut u8
    }
    unsafe fn dealloc(&self, p: *mut u8, _: Layout) {
        mi_free(p as *mut c_void)
    }
    unsafe fn realloc(&self, p: *mut u8, l: Layout, n: usize) -> *mut u8 {
        mi_realloc_aligned(p as *mut c_void, n, l.align()) as *mut u8
    }
}

#[global_allocator]
static ALLOCATOR: Mimalloc = Mimalloc;

#[inline(never)]
fn leak_box(i: usize) {
    let v = vec![i as u8; 20000];
    std::mem::forget(std::hint::black_box(v));
}

fn main() {
    let mut truth = Truth::new();
    for i in 0.. {
        leak_box(i);
        truth.add(20000, 20480);
        let s = format!("hello {}", i);
        drop(s);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
