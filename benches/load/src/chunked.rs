//! The chunked transfer coding (RFC 9112 section 7.1), as a decoder that is fed pieces. Extensions and trailers are skipped.

pub enum Step<'b> {
    Data(&'b [u8]),
    /// All bytes were taken and the body is not complete.
    More,
    End,
}

enum State {
    Size { value: usize, digits: u32 },
    Extension { value: usize },
    SizeLf { value: usize },
    Data { left: usize },
    DataCr,
    DataLf,
    Trailer { empty: bool },
}

pub struct Chunked(State);

impl Chunked {
    pub fn new() -> Chunked {
        Chunked(State::Size {
            value: 0,
            digits: 0,
        })
    }

    pub fn step<'b>(&mut self, bytes: &mut &'b [u8]) -> Result<Step<'b>, String> {
        loop {
            if let State::Data { left } = self.0 {
                let (data, rest) = bytes.split_at(bytes.len().min(left));
                *bytes = rest;
                self.0 = if data.len() == left {
                    State::DataCr
                } else {
                    State::Data {
                        left: left - data.len(),
                    }
                };
                return Ok(if data.is_empty() {
                    Step::More
                } else {
                    Step::Data(data)
                });
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(Step::More);
            };
            *bytes = rest;
            self.0 = match (&self.0, byte) {
                (&State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                    if digits < 8 =>
                {
                    let digit = (byte as char)
                        .to_digit(16)
                        .expect("a hex digit was matched");
                    State::Size {
                        value: value * 16 + digit as usize,
                        digits: digits + 1,
                    }
                }
                (&State::Size { value, digits: 1.. }, b';') => State::Extension { value },
                (&State::Size { value, digits: 1.. } | &State::Extension { value }, b'\r') => {
                    State::SizeLf { value }
                }
                (&State::Extension { value }, _) => State::Extension { value },
                (&State::SizeLf { value: 0 }, b'\n') => State::Trailer { empty: true },
                (&State::SizeLf { value }, b'\n') => State::Data { left: value },
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => State::Size {
                    value: 0,
                    digits: 0,
                },
                (State::Trailer { empty: true }, b'\n') => return Ok(Step::End),
                (State::Trailer { .. }, b'\n') => State::Trailer { empty: true },
                (&State::Trailer { empty }, b'\r') => State::Trailer { empty },
                (State::Trailer { .. }, _) => State::Trailer { empty: false },
                _ => return Err(format!("chunked coding: byte {byte:#04x} in a wrong place")),
            };
        }
    }
}
