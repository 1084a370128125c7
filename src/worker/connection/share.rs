//! How much of one turn of the reactor a connection gets, so that no client holds up the others, however fast it sends.

/// Steps of a connection in one turn: requests begun, frames, pieces of a body, reads. A turn that finds only such clients stays
/// below a millisecond for each.
pub const STEPS: u16 = 64;

/// What is left of the turn for one connection.
#[derive(Debug, Default)]
pub struct Share {
    /// The turn that it is of.
    turn: u64,
    left: u16,
    /// The reactor has it on its list, and comes back in its next turn.
    waits: bool,
}

impl Share {
    /// Takes one step of the turn. False: there is none left, or the connection already waits for its next turn.
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

    /// Takes further steps of the turn, as many as there are.
    pub fn spend(&mut self, steps: u16) {
        self.left = self.left.saturating_sub(steps);
    }

    /// It is to be put on the list. False: it is there already.
    pub fn wait(&mut self) -> bool {
        !std::mem::replace(&mut self.waits, true)
    }

    /// The reactor has come back to it.
    pub fn resume(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_so_many_steps_whoever_asks_and_the_next_one_as_many() {
        let mut share = Share::default();
        assert_eq!((0..1000).filter(|_| share.take(1)).count(), 64);
        assert!(share.wait() && !share.wait());
        assert!(!share.take(3), "it waits on the list");
        share.resume();
        assert_eq!((0..1000).filter(|_| share.take(3)).count(), 64);
    }
}
