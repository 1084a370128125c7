//! The messages as bytes: one tag, then the fields, integers little-endian, texts with their length.

use super::message::{DrainReason, FromWorker, Phase, ToWorker};
use super::{Error, Result};

/// No encoded message is longer than that, in bytes; longer texts lose their middle.
pub const LONGEST: usize = 160 * 1024;
pub(super) const SUMMARY: usize = 4 * 1024;
pub(super) const TRACEBACK: usize = LONGEST - SUMMARY - 64;

/// A message that travels over a channel.
pub trait WireMessage: Sized {
    fn encode(&self) -> Vec<u8>;
    /// # Errors
    /// `Malformed` for everything that `encode` cannot have made.
    fn decode(bytes: &[u8]) -> Result<Self>;
}

impl WireMessage for ToWorker {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Go => vec![1],
            Self::Drain {
                reason,
                graceful_ms,
            } => {
                let reason = match reason {
                    DrainReason::Replaced => 1,
                    DrainReason::Shutdown => 2,
                    DrainReason::Removed => 3,
                };
                let mut bytes = vec![2, reason];
                bytes.extend_from_slice(&graceful_ms.to_le_bytes());
                bytes
            }
            Self::StopFast => vec![3],
            Self::ReopenLogs => vec![4],
            Self::CloseAfterAnswers => vec![7],
            Self::LoadCertificates => vec![8],
            Self::Preview => vec![9],
            Self::Begin => vec![10],
            Self::Pause => vec![11],
            Self::BecomeMold { graceful_ms } => {
                let mut bytes = vec![12];
                bytes.extend_from_slice(&graceful_ms.to_le_bytes());
                bytes
            }
            Self::LogLevel(level) => vec![5, *level],
            Self::Stacks { number } => {
                let mut bytes = vec![6];
                bytes.extend_from_slice(&number.to_le_bytes());
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader(bytes);
        let message = match reader.byte()? {
            1 => Self::Go,
            2 => {
                let reason = match reader.byte()? {
                    1 => DrainReason::Replaced,
                    2 => DrainReason::Shutdown,
                    3 => DrainReason::Removed,
                    _ => return Err(Error::Malformed("unknown reason to drain")),
                };
                Self::Drain {
                    reason,
                    graceful_ms: reader.u64()?,
                }
            }
            3 => Self::StopFast,
            4 => Self::ReopenLogs,
            7 => Self::CloseAfterAnswers,
            8 => Self::LoadCertificates,
            9 => Self::Preview,
            10 => Self::Begin,
            11 => Self::Pause,
            12 => Self::BecomeMold {
                graceful_ms: reader.u64()?,
            },
            5 => Self::LogLevel(reader.byte()?),
            6 => Self::Stacks {
                number: reader.u64()?,
            },
            _ => return Err(Error::Malformed("unknown tag")),
        };
        reader.end(message)
    }
}

impl WireMessage for FromWorker {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Booted => vec![1],
            Self::Ready => vec![2],
            Self::StoppedAccepting => vec![3],
            Self::CanFork => vec![7],
            Self::Failed {
                phase,
                summary,
                traceback,
            } => {
                let mut bytes = vec![4, phase_number(*phase)];
                put_text(&mut bytes, &shortened(summary, SUMMARY));
                put_text(&mut bytes, &shortened(traceback, TRACEBACK));
                bytes
            }
            Self::Stacks { number, text } => {
                let mut bytes = vec![5];
                bytes.extend_from_slice(&number.to_le_bytes());
                put_text(&mut bytes, &shortened(text, TRACEBACK));
                bytes
            }
            Self::Entered(phase) => vec![8, phase_number(*phase)],
            Self::Description(text) => {
                let mut bytes = vec![6];
                put_text(&mut bytes, &shortened(text, SUMMARY));
                bytes
            }
            Self::StaticFiles(text) => {
                let mut bytes = vec![9];
                put_text(&mut bytes, &shortened(text, SUMMARY));
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader(bytes);
        let message = match reader.byte()? {
            1 => Self::Booted,
            2 => Self::Ready,
            3 => Self::StoppedAccepting,
            4 => Self::Failed {
                phase: phase_of(reader.byte()?)?,
                summary: reader.text()?,
                traceback: reader.text()?,
            },
            5 => Self::Stacks {
                number: reader.u64()?,
                text: reader.text()?,
            },
            6 => Self::Description(reader.text()?),
            7 => Self::CanFork,
            8 => Self::Entered(phase_of(reader.byte()?)?),
            9 => Self::StaticFiles(reader.text()?),
            _ => return Err(Error::Malformed("unknown tag")),
        };
        reader.end(message)
    }
}

pub(super) fn phase_number(phase: Phase) -> u8 {
    match phase {
        Phase::Boot => 1,
        Phase::Load => 2,
        Phase::Lifespan => 3,
        Phase::ReadyPath => 4,
        Phase::Settings => 5,
        Phase::Import => 6,
    }
}

pub(super) fn phase_of(number: u8) -> Result<Phase> {
    match number {
        1 => Ok(Phase::Boot),
        2 => Ok(Phase::Load),
        3 => Ok(Phase::Lifespan),
        4 => Ok(Phase::ReadyPath),
        5 => Ok(Phase::Settings),
        6 => Ok(Phase::Import),
        _ => Err(Error::Malformed("unknown phase")),
    }
}

pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("shortened before to far less than 4 GiB");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// At most `limit` bytes: the beginning and, because a traceback has the exception in its last lines, twice as much of the end.
pub(super) fn shortened(text: &str, limit: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= limit {
        return text.into();
    }
    let room = limit.saturating_sub(64);
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=room / 3).rev().find(boundary).unwrap_or(0);
    let tail = (text.len().saturating_sub(room - room / 3)..text.len())
        .find(boundary)
        .unwrap_or(text.len());
    let (start, end) = (
        text.get(..head).unwrap_or(""),
        text.get(tail..).unwrap_or(""),
    );
    format!(
        "{start}\n[... {} bytes left out ...]\n{end}",
        tail.saturating_sub(head)
    )
    .into()
}

pub(super) struct ByteReader<'a>(&'a [u8]);

impl<'a> ByteReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Error::Malformed("too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?
            .try_into()
            .map_err(|_| Error::Malformed("too short"))
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// All that follows.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let length = self.array().map(u32::from_le_bytes)?;
        let length = usize::try_from(length).map_err(|_| Error::Malformed("text too long"))?;
        let text = std::str::from_utf8(self.take(length)?)
            .map_err(|_| Error::Malformed("text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    pub(super) fn end<T>(&self, message: T) -> Result<T> {
        if self.0.is_empty() {
            Ok(message)
        } else {
            Err(Error::Malformed("too long"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to_worker() -> impl Strategy<Value = ToWorker> {
        let reason = prop_oneof![Just(DrainReason::Replaced), Just(DrainReason::Shutdown)];
        prop_oneof![
            Just(ToWorker::Go),
            Just(ToWorker::Preview),
            Just(ToWorker::Pause),
            Just(ToWorker::StopFast),
            Just(ToWorker::ReopenLogs),
            Just(ToWorker::CloseAfterAnswers),
            Just(ToWorker::LoadCertificates),
            Just(ToWorker::Begin),
            any::<u8>().prop_map(ToWorker::LogLevel),
            any::<u64>().prop_map(|number| ToWorker::Stacks { number }),
            (reason, any::<u64>()).prop_map(|(reason, graceful_ms)| ToWorker::Drain {
                reason,
                graceful_ms
            }),
        ]
    }

    fn from_worker() -> impl Strategy<Value = FromWorker> {
        let phase = prop_oneof![
            Just(Phase::Boot),
            Just(Phase::Import),
            Just(Phase::Load),
            Just(Phase::Lifespan),
            Just(Phase::ReadyPath),
            Just(Phase::Settings)
        ];
        prop_oneof![
            Just(FromWorker::Booted),
            Just(FromWorker::Ready),
            Just(FromWorker::StoppedAccepting),
            (any::<u64>(), "(.|\n){0,400}")
                .prop_map(|(number, text)| FromWorker::Stacks { number, text }),
            (phase, ".{0,80}", "(.|\n){0,400}").prop_map(|(phase, summary, traceback)| {
                FromWorker::Failed {
                    phase,
                    summary,
                    traceback,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(to in to_worker(), from in from_worker()) {
            prop_assert_eq!(ToWorker::decode(&to.encode()).expect("own bytes"), to);
            prop_assert_eq!(FromWorker::decode(&from.encode()).expect("own bytes"), from);
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(message) = ToWorker::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes.clone());
            }
            if let Ok(message) = FromWorker::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }

        #[test]
        fn a_cut_or_longer_message_is_refused(message in from_worker(), cut in any::<prop::sample::Index>()) {
            let mut bytes = message.encode();
            let cut = cut.index(bytes.len());
            prop_assert!(FromWorker::decode(&bytes[..cut]).is_err());
            bytes.push(0);
            prop_assert!(FromWorker::decode(&bytes).is_err());
        }

        #[test]
        fn a_long_traceback_keeps_its_end(filler in "é{1000,2000}", times in 1_usize..200) {
            let traceback = format!("Traceback\n{}\nValueError: the end", filler.repeat(times));
            let failed = FromWorker::Failed { phase: Phase::Load, summary: filler.repeat(5), traceback: traceback.clone() };
            let bytes = failed.encode();
            prop_assert!(bytes.len() <= LONGEST);
            let FromWorker::Failed { traceback: got, .. } = FromWorker::decode(&bytes).expect("own bytes") else {
                return Err(TestCaseError::fail("another message"));
            };
            prop_assert!(got == traceback || got.contains("bytes left out"));
            prop_assert!(got.starts_with("Traceback\n") && got.ends_with("\nValueError: the end"));
        }
    }
}
