//! One turn of an event loop: descriptors and deadlines are registered with a token, and `wait` returns the tokens that are ready.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::{PollInterest, Result, clock, wait_for};

/// Made anew for each turn, so that nothing in it can outlive a descriptor.
#[derive(Debug)]
pub struct Turn<'fd, Token> {
    tokens: Vec<Token>,
    watched: Vec<(BorrowedFd<'fd>, PollInterest)>,
    deadlines: Vec<(Duration, Token)>,
}

impl<Token> Default for Turn<'_, Token> {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            watched: Vec::new(),
            deadlines: Vec::new(),
        }
    }
}

impl<'fd, Token: Copy + Ord> Turn<'fd, Token> {
    /// A token may watch several descriptors.
    pub fn watch(&mut self, token: Token, fd: BorrowedFd<'fd>, wanted: PollInterest) {
        self.tokens.push(token);
        self.watched.push((fd, wanted));
    }

    /// `at` is monotonic. A token may have several deadlines, and descriptors as well.
    pub fn wake(&mut self, token: Token, at: Duration) {
        self.deadlines.push((at, token));
    }

    /// Waits for the first of them. The tokens that are ready or due, in their order, each once.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(self) -> Result<Vec<Token>> {
        let first = self.deadlines.iter().map(|(at, _)| *at).min();
        let timeout = first.map(|at| at.saturating_sub(clock::monotonic()));
        let ready = wait_for(&self.watched, timeout)?;
        let ready = self.tokens.into_iter().zip(ready);
        let ready = ready.filter_map(|(token, ready)| ready.then_some(token));
        let now = clock::monotonic();
        let due = self.deadlines.into_iter();
        let due = due.filter_map(|(at, token)| (at <= now).then_some(token));
        let mut come: Vec<Token> = ready.chain(due).collect();
        come.sort_unstable();
        come.dedup();
        Ok(come)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// What happens to one source, and whether it has a deadline that has passed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Happens {
        Nothing,
        Written,
        Closed,
    }

    proptest! {
        /// Any sources, registered and becoming ready in any order: the result has
        /// exactly the ready ones, each once.
        #[test]
        fn any_subset_in_any_order_reaches_its_token(
            sources in prop::collection::vec(
                (prop::sample::select(vec![Happens::Nothing, Happens::Written, Happens::Closed]), any::<bool>(), any::<bool>()),
                1..40,
            ),
            seed in any::<u64>(),
        ) {
            let pairs: Vec<_> = sources.iter().map(|_| UnixStream::pair().expect("a pair")).collect();
            let mut others: Vec<Option<UnixStream>> = Vec::new();
            let mut ours = Vec::new();
            for (mine, other) in pairs {
                ours.push(mine);
                others.push(Some(other));
            }
            let mut order: Vec<usize> = (0..sources.len()).collect();
            order.sort_by_key(|n| seed.rotate_left(u32::try_from(*n % 64).expect("small")) ^ (*n as u64));
            let mut turn = Turn::default();
            for n in &order {
                let (_, is_due, has_deadline) = sources[*n];
                turn.watch(*n, ours[*n].as_fd(), PollInterest::Readable);
                if is_due {
                    turn.wake(*n, Duration::ZERO);
                }
                if has_deadline {
                    turn.wake(*n, clock::monotonic() + LONG);
                }
            }
            let mut expected = BTreeSet::new();
            for n in order.iter().rev() {
                let (happens, is_due, _) = sources[*n];
                match happens {
                    Happens::Nothing => {}
                    Happens::Written => {
                        let other = others[*n].as_mut().expect("open");
                        other.write_all(b"x").expect("room");
                    }
                    Happens::Closed => others[*n] = None,
                }
                if happens != Happens::Nothing || is_due {
                    expected.insert(*n);
                }
            }
            if expected.is_empty() {
                turn.wake(usize::MAX, Duration::ZERO);
                expected.insert(usize::MAX);
            }
            prop_assert_eq!(turn.wait().expect("poll"), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_deadline_ends_the_wait_and_no_sooner() {
        let mut turn = Turn::default();
        let at = clock::monotonic() + Duration::from_millis(5);
        turn.wake("late", clock::monotonic() + LONG);
        turn.wake("soon", at);
        assert_eq!(turn.wait().expect("poll"), ["soon"]);
        assert!(clock::monotonic() >= at);
    }
}
