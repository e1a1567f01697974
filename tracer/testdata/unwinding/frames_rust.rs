// build: rustc --edition=2021 -C opt-level=2 -C force-frame-pointers=no
// SPDX-License-Identifier: Apache-2.0
//
// frames.c for Rust: dynamic calls, closures, collections, panics that are caught,
// threads.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::panic;
use std::thread;

// Above the mmap threshold that the tests set.
const SIZE: usize = 300000;
const END_SIZE: usize = 0xbeef000;

#[inline(never)]
fn take() {
    black_box(vec![1u8; SIZE]);
    black_box("x".repeat(SIZE));
}

trait Visit {
    fn visit(&self, path: usize, depth: usize);
}

struct Boxes;
struct Sorting;
struct Text;
struct Panics;

fn next(path: usize, depth: usize) {
    let all: [&dyn Visit; 4] = [&Boxes, &Sorting, &Text, &Panics];
    if depth > 0 {
        all[path % 4].visit(path / 4 + 17, depth - 1);
    } else {
        take();
    }
}

impl Visit for Boxes {
    #[inline(never)]
    fn visit(&self, path: usize, depth: usize) {
        let room = black_box(Box::new([path; 40000]));
        next(path, depth);
        black_box(room);
    }
}

impl Visit for Sorting {
    #[inline(never)]
    fn visit(&self, path: usize, depth: usize) {
        let mut numbers = black_box([5, 3, 1, 4]);
        let mut left = 1;
        numbers.sort_by(|a, b| {
            if left > 0 {
                left -= 1;
                next(path, depth);
            }
            a.cmp(b)
        });
        black_box(numbers);
    }
}

impl Visit for Text {
    #[inline(never)]
    fn visit(&self, path: usize, depth: usize) {
        let text = format!("{:>60000}", path);
        text.lines().for_each(|line| {
            black_box(line.to_uppercase());
            next(path, depth)
        });
    }
}

impl Visit for Panics {
    #[inline(never)]
    fn visit(&self, path: usize, depth: usize) {
        let result = panic::catch_unwind(|| {
            next(path, depth);
            panic::panic_any("p".repeat(SIZE));
        });
        black_box(result.is_err());
    }
}

#[inline(never)]
fn library() {
    let mut tree = BTreeMap::new();
    let mut hash = HashMap::new();
    for i in 0..1000usize {
        tree.insert(i, vec![i; 700]);
        hash.insert(i, i.to_string());
    }
    black_box((tree, hash));
}

#[inline(never)]
fn paths(n: usize) {
    for i in 0..n {
        next(i * 7919, i % 9);
    }
    library();
}

fn main() {
    panic::set_hook(Box::new(|_| {}));
    println!("ready {}", std::process::id());
    for line in io::stdin().lock().lines() {
        let n = if line.unwrap() == "go" { 60 } else { 9 };
        paths(n);
        let threads: Vec<_> = (0..2).map(|i| thread::spawn(move || paths(n / 3 + i))).collect();
        for t in threads {
            t.join().unwrap();
        }
        black_box(Vec::<u8>::with_capacity(END_SIZE));
        println!("done");
        io::stdout().flush().unwrap();
    }
}
