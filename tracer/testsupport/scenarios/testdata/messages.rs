// build: rustc -O -C debuginfo=1
// Leaks a box of each message, or lets a list grow, as is asked for: box or list.
include!("truth.rs");

use std::thread::sleep;
use std::time::Duration;

#[inline(never)]
fn remember_message(i: u64) -> &'static [u8; 3000] {
    Box::leak(Box::new(std::hint::black_box([i as u8; 3000])))
}

#[inline(never)]
fn append_sample(samples: &mut Vec<Vec<u8>>, i: u64) {
    samples.push(std::hint::black_box(vec![i as u8; 3000]));
}

fn main() {
    let list = std::env::args().nth(1).as_deref() == Some("list");
    let mut samples = Vec::with_capacity(100_000);
    let mut truth = Truth::new();
    for i in 0.. {
        if list {
            append_sample(&mut samples, i);
        } else {
            std::hint::black_box(remember_message(i));
        }
        truth.add(3000, 3016);
        sleep(Duration::from_millis(5));
    }
}
