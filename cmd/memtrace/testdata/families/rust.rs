// A Rust program with jemalloc as its allocator, under the prefix and by the calls of the crate
// tikv-jemallocator. It keeps a ledger as those of family.h do.
use std::alloc::{GlobalAlloc, Layout};
use std::io::{Read, Write};
use std::os::raw::c_void;

extern "C" {
    fn _rjem_malloc(n: usize) -> *mut c_void;
    fn _rjem_mallocx(n: usize, flags: i32) -> *mut c_void;
    fn _rjem_calloc(n: usize, m: usize) -> *mut c_void;
    fn _rjem_realloc(p: *mut c_void, n: usize) -> *mut c_void;
    fn _rjem_rallocx(p: *mut c_void, n: usize, flags: i32) -> *mut c_void;
    fn _rjem_sdallocx(p: *mut c_void, n: usize, flags: i32);
}

struct Jemalloc;

fn flags(l: Layout) -> i32 {
    if l.align() <= 16 && l.align() <= l.size() { 0 } else { l.align().trailing_zeros() as i32 }
}

unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        (match flags(l) { 0 => _rjem_malloc(l.size()), f => _rjem_mallocx(l.size(), f) }) as *mut u8
    }
    unsafe fn alloc_zeroed(&self, l: Layout) -> *mut u8 {
        (match flags(l) { 0 => _rjem_calloc(1, l.size()), f => _rjem_mallocx(l.size(), f | 0x40) }) as *mut u8
    }
    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        _rjem_sdallocx(p as *mut c_void, l.size(), flags(l))
    }
    unsafe fn realloc(&self, p: *mut u8, l: Layout, n: usize) -> *mut u8 {
        let p = p as *mut c_void;
        (match flags(l) { 0 => _rjem_realloc(p, n), f => _rjem_rallocx(p, n, f) }) as *mut u8
    }
}

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[repr(align(64))]
#[derive(Clone, Copy)]
pub struct Wide([u8; 64]);

pub enum Kept { Bytes(Vec<u8>), Lines(Vec<Wide>) }

#[no_mangle]
#[inline(never)]
pub fn site_vec(n: usize) -> Vec<u8> { std::hint::black_box(vec![1u8; n]) }
#[no_mangle]
#[inline(never)]
pub fn site_zeroed(n: usize) -> Vec<u8> { std::hint::black_box(vec![0u8; n]) }
#[no_mangle]
#[inline(never)]
pub fn site_wide(n: usize) -> Vec<Wide> { std::hint::black_box(vec![Wide([1; 64]); n]) }
#[no_mangle]
#[inline(never)]
pub fn site_grown(v: &mut Vec<u8>, n: usize) { v.reserve_exact(n); std::hint::black_box(v); }
#[no_mangle]
#[inline(never)]
pub fn site_wide_grown(v: &mut Vec<Wide>, n: usize) { v.reserve_exact(n); std::hint::black_box(v); }

fn below(state: &mut u64, n: u64) -> usize {
    *state = state.wrapping_add(0x9e3779b97f4a7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
    ((z ^ (z >> 31)) % n) as usize
}

fn main() {
    const SITES: [&str; 5] = ["vec", "zeroed", "wide", "grown", "wide_grown"];
    const EMPTY: Option<(Kept, usize)> = None;
    let mut kept = [EMPTY; 200];
    let args: Vec<String> = std::env::args().collect();
    let (mut state, calls): (u64, usize) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let mut word = [0u8; 8];
    println!("ready {}", std::process::id());
    std::io::stdin().lock().read(&mut word).unwrap();
    for _ in 0..calls {
        let (at, n) = (below(&mut state, 200), 1 + below(&mut state, 600));
        kept[at] = match kept[at].take() {
            None => Some(match below(&mut state, 3) {
                0 => (Kept::Bytes(site_vec(n)), 0),
                1 => (Kept::Bytes(site_zeroed(n)), 1),
                _ => (Kept::Lines(site_wide(n / 64 + 1)), 2),
            }),
            Some(_) if below(&mut state, 2) == 0 => None,
            // What is there already is not asked for again.
            Some((Kept::Bytes(mut v), site)) => {
                let before = v.capacity();
                site_grown(&mut v, n);
                let site = if v.capacity() != before { 3 } else { site };
                Some((Kept::Bytes(v), site))
            }
            Some((Kept::Lines(mut v), site)) => {
                let before = v.capacity();
                site_wide_grown(&mut v, n / 64 + 1);
                let site = if v.capacity() != before { 4 } else { site };
                Some((Kept::Lines(v), site))
            }
        };
    }
    for (i, name) in SITES.iter().enumerate() {
        let (mut bytes, mut blocks) = (0, 0);
        for (k, site) in kept.iter().flatten() {
            if *site == i {
                blocks += 1;
                bytes += match k { Kept::Bytes(v) => v.capacity(), Kept::Lines(v) => 64 * v.capacity() };
            }
        }
        println!("site site_{} {} {}", name, bytes, blocks);
    }
    println!("calls {}\ndone", calls);
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().lock().read(&mut word).unwrap();
    std::process::exit(0);
}
