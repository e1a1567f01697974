// A program's own account of what it leaks, as truth.h has it.
struct Truth {
    file: std::fs::File,
    asked: u64,
    taken: u64,
    next: u128,
}

impl Truth {
    fn new() -> Truth {
        let path = std::env::var("TRUTH").expect("TRUTH");
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        Truth { file, asked: 0, taken: 0, next: 0 }
    }

    fn add(&mut self, asked: u64, taken: u64) {
        self.asked += asked;
        self.taken += taken;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        if now >= self.next {
            use std::io::Write;
            let line = format!("{} {} {} {}\n", now, std::process::id(), self.asked, self.taken);
            self.file.write_all(line.as_bytes()).unwrap();
            self.next = now + 100_000_000;
        }
    }
}
