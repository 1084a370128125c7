//! A connection's share of one turn of the reactor, so that no client delays the others, however fast it sends. What all
//! connections do together beyond `ORDINARY` is bounded by `turn_budget.rs`.

/// Steps of a connection in one turn: requests begun, frames, pieces of a body, reads. A turn spends less than a
/// millisecond on each such client.
pub const STEPS: u16 = 64;
/// Steps that a connection has in every turn, whatever others do: enough for a request and its response.
pub const ORDINARY: u16 = 8;
/// Bytes of large messages that cost a step.
const BYTES_PER_STEP: usize = 16 * 1024;

/// What is left of a connection's share in this turn.
#[derive(Debug, Default)]
pub struct TurnShare {
    /// The turn that `left` refers to.
    turn: u64,
    left: u16,
    queue: QueuePlace,
}

/// Of the reactor's queue of connections that have more to do than their share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum QueuePlace {
    #[default]
    Outside,
    Waits,
    /// It has taken no step since.
    Resumed,
    /// Its turn is this one, and it gets its whole share.
    Served,
}

impl TurnShare {
    /// Takes one step. False: there is none left, the time of the turn is used up, or the connection already waits for the
    /// next turn. Few connections need to look at the time.
    pub fn take(&mut self, turn: u64, is_used_up: impl FnOnce() -> bool) -> bool {
        let queue = match self.queue {
            QueuePlace::Waits => return false,
            QueuePlace::Resumed => QueuePlace::Served,
            QueuePlace::Outside | QueuePlace::Served => QueuePlace::Outside,
        };
        if self.turn != turn || self.queue == QueuePlace::Resumed {
            *self = Self {
                turn,
                left: STEPS,
                queue,
            };
        }
        let is_sure = self.queue == QueuePlace::Served || self.left > STEPS - ORDINARY;
        let some = self.left > 0 && (is_sure || !is_used_up());
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

    /// Marks it as queued. False: it is queued already.
    pub fn wait(&mut self) -> bool {
        std::mem::replace(&mut self.queue, QueuePlace::Waits) != QueuePlace::Waits
    }

    /// The reactor resumes it.
    pub fn resume(&mut self) {
        self.queue = QueuePlace::Resumed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_so_many_steps_whoever_asks_and_the_next_one_as_many() {
        let mut share = TurnShare::default();
        assert_eq!((0..1000).filter(|_| share.take(1, || false)).count(), 64);
        assert!(share.wait() && !share.wait());
        assert!(!share.take(3, || false), "it waits on the list");
        share.resume();
        assert_eq!((0..1000).filter(|_| share.take(3, || false)).count(), 64);
    }

    #[test]
    fn an_ordinary_request_is_served_in_a_turn_whose_time_is_used_up() {
        let mut share = TurnShare::default();
        assert_eq!((0..1000).filter(|_| share.take(1, || true)).count(), 8);
        let mut looks = 0;
        let mut look = || {
            looks += 1;
            false
        };
        assert!((0..8).all(|_| share.take(2, &mut look)));
        assert_eq!(looks, 0, "the time does not matter to them");
        share.wait();
        share.resume();
        let after_a_wait = (0..1000).filter(|_| share.take(3, || true)).count();
        assert_eq!(after_a_wait, 64);
        assert_eq!((0..1000).filter(|_| share.take(4, || true)).count(), 8);
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
                while share.take(turn, || false) {
                    share.spend_on(piece);
                    pieces += 1;
                }
                assert_eq!(pieces, most, "{piece}");
            }
        }
    }
}
