//! Session tickets (RFC 5077, RFC 8446 §4.6.1): sealed with a key that all workers of all generations have.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

use crate::ipc::{TicketKey, TicketKeys};

/// How long a key makes tickets. Tickets are accepted for one period more.
pub const PERIOD_SECONDS: u32 = 12 * 3600;

/// The bytes of a key's name in front of a ticket.
const NAME: usize = 8;

pub struct Tickets {
    keys: TicketKeys,
    /// The requirements for client certificates. A session that began under other rules would bypass these, because a resumed one
    /// shows no certificate; its ticket is no longer valid.
    rules: [u8; 32],
    random: SystemRandom,
}

impl Tickets {
    pub fn new(keys: TicketKeys, rules: [u8; 32]) -> Self {
        Self {
            keys,
            rules,
            random: SystemRandom::new(),
        }
    }

    fn additional_data(&self, name: [u8; NAME]) -> Aad<[u8; NAME + 32]> {
        let mut data = [0; NAME + 32];
        data[..NAME].copy_from_slice(&name);
        data[NAME..].copy_from_slice(&self.rules);
        Aad::from(data)
    }
}

fn cipher(key: &TicketKey) -> Option<LessSafeKey> {
    let mut secret = [0; 32];
    for (bytes, word) in secret.chunks_exact_mut(8).zip(key.secret) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    UnboundKey::new(&AES_256_GCM, &secret)
        .ok()
        .map(LessSafeKey::new)
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        PERIOD_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let [key, _] = self.keys.read();
        let key = key?;
        let name = key.name.to_le_bytes();
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        cipher(&key)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                self.additional_data(name),
                &mut sealed,
            )
            .ok()?;
        Some([&name[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let wanted = u64::from_le_bytes(*name);
        let key = self.keys.read().into_iter().flatten();
        let key = key.into_iter().find(|key| key.name == wanted)?;
        let mut plain = sealed.to_vec();
        let length = cipher(&key)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                self.additional_data(*name),
                &mut plain,
            )
            .ok()?
            .len();
        plain.truncate(length);
        Some(plain)
    }
}

/// Without the keys.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// A new key, from the system's random numbers.
#[must_use]
pub fn new_key() -> Option<TicketKey> {
    let random = SystemRandom::new();
    let mut bytes = [0; 40];
    random.fill(&mut bytes).ok()?;
    let mut words = bytes.chunks_exact(8).filter_map(|bytes| {
        let bytes = bytes.try_into().ok()?;
        Some(u64::from_ne_bytes(bytes))
    });
    let name = words.next()?.max(1);
    let mut secret = [0; 4];
    for (word, random) in secret.iter_mut().zip(words) {
        *word = random;
    }
    Some(TicketKey { name, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_lives_for_one_more_period_and_under_the_same_rules() {
        let (_fd, keys) = TicketKeys::new().unwrap();
        let tickets = Tickets::new(keys, [1; 32]);
        assert_eq!(tickets.encrypt(b"session"), None);
        keys.rotate(new_key().unwrap());
        let ticket = tickets.encrypt(b"session").unwrap();
        assert_ne!(tickets.encrypt(b"session").unwrap(), ticket);
        // Another worker, or another generation.
        let others = Tickets::new(keys, [1; 32]);
        assert_eq!(others.decrypt(&ticket).unwrap(), b"session");
        assert_eq!(Tickets::new(keys, [2; 32]).decrypt(&ticket), None);
        keys.rotate(new_key().unwrap());
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"session");
        keys.rotate(new_key().unwrap());
        assert_eq!(tickets.decrypt(&ticket), None);
    }

    #[test]
    fn any_other_bytes_are_no_ticket() {
        let (_fd, keys) = TicketKeys::new().unwrap();
        keys.rotate(new_key().unwrap());
        let tickets = Tickets::new(keys, [0; 32]);
        let ticket = tickets.encrypt(b"session").unwrap();
        for cut in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..cut]), None);
        }
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None);
        }
    }
}
