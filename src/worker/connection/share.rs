//! A connection's share of one turn of the reactor, so that no client delays the others, however fast it sends.

/// Steps of a connection in one turn: requests begun, frames, pieces of a body, reads. A turn spends less than a
/// millisecond on each such client.
pub const STEPS: u16 = 64;
/// Bytes of large messages that cost a step.
const BYTES_PER_STEP: usize = 16 * 1024;

/// What is left of a connection's share in this turn.
#[derive(Debug, Default)]
pub struct TurnShare {
    /// The turn that `left` refers to.
    turn: u64,
    left: u16,
    /// It is on the reactor's list, and resumed in the next turn.
    waits: bool,
}

impl TurnShare {
    /// Takes one step. False: there is none left, or the connection already waits for the next turn.
    pub fn take(&mut self, turn: u64) -> bool {
        if self.waits {
            return false;
        }
        if self.turn != turn {
            (self.turn, self.left) = (turn, STEPS);
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }

    /// Takes further steps, as many as are left.
    pub fn spend(&mut self, steps: u16) {
        self.left = self.left.saturating_sub(steps);
    }

    /// Takes the steps that so many bytes cost beyond the one taken for them.
    pub fn spend_on(&mut self, bytes: usize) {
        self.spend((bytes / BYTES_PER_STEP).try_into().unwrap_or(u16::MAX));
    }

    /// Marks it as listed. False: it is on the list already.
    pub fn wait(&mut self) -> bool {
        !std::mem::replace(&mut self.waits, true)
    }

    /// The reactor resumes it.
    pub fn resume(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_so_many_steps_whoever_asks_and_the_next_one_as_many() {
        let mut share = TurnShare::default();
        assert_eq!((0..1000).filter(|_| share.take(1)).count(), 64);
        assert!(share.wait() && !share.wait());
        assert!(!share.take(3), "it waits on the list");
        share.resume();
        assert_eq!((0..1000).filter(|_| share.take(3)).count(), 64);
    }

    #[test]
    fn pieces_of_large_messages_cost_steps_by_their_bytes() {
        for (piece, most) in [
            (1, 64),
            (BYTES_PER_STEP, 32),
            (10 * BYTES_PER_STEP, 6),
            (usize::MAX, 1),
        ] {
            let mut share = TurnShare::default();
            for turn in 1..10 {
                let mut pieces = 0;
                while share.take(turn) {
                    share.spend_on(piece);
                    pieces += 1;
                }
                assert_eq!(pieces, most, "{piece}");
            }
        }
    }
}
