//! Keys of connections and requests that are never reused, so that late events of one never reach another.

/// A connection of this worker: its place in the reactor, how many connections have had that place before it, and for
/// an HTTP/2 stream its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnKey {
    place: u32,
    serial: u32,
    /// Zero: the connection itself.
    stream: u32,
}

impl ConnKey {
    pub fn new(place: u32, serial: u32) -> Self {
        Self {
            place,
            serial,
            stream: 0,
        }
    }

    /// A stream of that connection.
    pub fn with_stream(self, stream: u32) -> Self {
        Self { stream, ..self }
    }

    pub fn stream(self) -> Option<u32> {
        (self.stream != 0).then_some(self.stream)
    }

    /// The connection that this stream belongs to.
    pub fn connection(self) -> Self {
        self.with_stream(0)
    }

    /// Index into the reactor's connections.
    pub fn place(self) -> usize {
        self.place as usize
    }

    /// The connection's key as one number, for the kernel: the serial number is the upper half. Tokens repeat only
    /// after four thousand million other connections in the same place.
    pub fn token(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.place)
    }

    pub fn of_token(token: u64) -> Self {
        let [place, serial] = [token, token >> 32].map(|half| (half & u64::from(u32::MAX)) as u32);
        Self::new(place, serial)
    }
}

/// A request: its connection, and its ordinal on that connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestKey {
    pub conn: ConnKey,
    pub stream: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_connection_and_no_later_one_in_its_place() {
        let key = ConnKey::new(7, 3);
        assert_eq!(ConnKey::of_token(key.token()), key);
        let next = ConnKey::new(7, 4);
        assert_ne!(next.token(), key.token());
        assert_eq!(next.place(), key.place());
        let last = ConnKey::new(u32::MAX, u32::MAX);
        assert_eq!(ConnKey::of_token(last.token()), last);
    }
}
