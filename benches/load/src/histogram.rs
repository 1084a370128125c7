//! Latencies in logarithmic buckets, 128 to each power of two: at most 0.8 % off. Does not know what it counts.

const SUB_BITS: u32 = 7;
const SUB: u64 = 1 << SUB_BITS;

pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        let buckets = vec![0; index(u64::MAX) + 1];
        Histogram {
            buckets,
            count: 0,
            max: 0,
        }
    }

    pub fn record(&mut self, nanoseconds: u64) {
        self.buckets[index(nanoseconds)] += 1;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// The smallest recorded value, in microseconds, that `share` of all values do not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return lowest(bucket) as f64 / 1e3;
            }
        }
        0.0
    }

    pub fn max(&self) -> f64 {
        self.max as f64 / 1e3
    }
}

/// Values below `SUB` have a bucket each; above, the leading bit picks the group and the next `SUB_BITS` the place in it.
fn index(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - SUB_BITS;
    (u64::from(shift + 1) * SUB + ((value >> shift) - SUB)) as usize
}

fn lowest(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    (SUB + index % SUB) << (index / SUB - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_lies_between_its_lowest_and_the_next() {
        for value in [
            0,
            1,
            127,
            128,
            129,
            255,
            256,
            1000,
            123_456_789,
            u64::MAX / 2,
            u64::MAX,
        ] {
            let bucket = index(value);
            assert!(lowest(bucket) <= value, "{value}");
            assert!(
                value == u64::MAX || index(value + 1) - bucket <= 1,
                "{value}"
            );
            assert_eq!(index(lowest(bucket)), bucket, "{value}");
        }
    }

    #[test]
    fn quantiles_are_close() {
        let mut histogram = Histogram::new();
        for microsecond in 1..=1000 {
            histogram.record(microsecond * 1000);
        }
        assert!((histogram.quantile(0.5) - 500.0).abs() < 5.0);
        assert!((histogram.quantile(0.99) - 990.0).abs() < 9.0);
        assert_eq!(histogram.max(), 1000.0);
    }
}
