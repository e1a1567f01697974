// A program with inlined calls, traits and generics.
use std::collections::HashMap;

trait Shape {
    fn area(&self) -> u64;
}

struct Square(u64);

impl Shape for Square {
    #[inline(always)]
    fn area(&self) -> u64 {
        self.0.wrapping_mul(self.0)
    }
}

#[inline(never)]
fn sum<T: Shape>(shapes: &[T]) -> u64 {
    shapes.iter().map(|s| s.area()).sum()
}

fn main() {
    let shapes: Vec<Square> = (0..std::env::args().count() as u64 * 7).map(Square).collect();
    let mut seen = HashMap::new();
    for s in &shapes {
        *seen.entry(s.area()).or_insert(0) += 1;
    }
    println!("{} {}", sum(&shapes), seen.len());
}
