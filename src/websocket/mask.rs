//! Unmasks a client's payload (RFC 6455 §5.3).

/// The mask, rotated to the next byte.
#[derive(Debug, Clone, Copy)]
pub struct Mask([u8; 4]);

impl Mask {
    pub const fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Unmasks the next bytes of the payload.
    pub fn apply(&mut self, payload: &mut [u8]) {
        let word = u64::from(u32::from_ne_bytes(self.0)) * 0x1_0000_0001;
        let (words, rest) = payload.as_chunks_mut::<8>();
        for chunk in words {
            *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= key;
        }
        self.0.rotate_left(payload.len() % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_anywhere_is_the_same() {
        let plain: Vec<u8> = (0..100).collect();
        let key = [7, 77, 177, 1];
        let masked: Vec<u8> = plain
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ key[at % 4])
            .collect();
        for first in 0..masked.len() {
            let mut bytes = masked.clone();
            let mut mask = Mask::new(key);
            let (left, right) = bytes.split_at_mut(first);
            mask.apply(left);
            mask.apply(right);
            assert_eq!(bytes, plain, "split at {first}");
        }
    }
}
