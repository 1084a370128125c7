//! A seeded random number generator (splitmix64), so that a failed history can be repeated by its seed.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Rng(pub u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 ..= most
    pub fn upto(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }

    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.upto(most - least)
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.upto(99) < chance
    }

    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.between(least, most))
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.upto(from.len() as u64 - 1);
        from[usize::try_from(at).expect("an index")].clone()
    }
}
