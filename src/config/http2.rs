//! The settings of HTTP/2.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Settings {
    pub mode: Http2,
    pub concurrent_streams: u32,
    /// Unread bytes of the body of one request.
    pub stream_window: u32,
    pub frame_size: u32,
    /// Of one request, decompressed.
    pub header_list_size: u32,
}

/// When HTTP/2 is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http2 {
    /// Where TLS agrees on it.
    Auto,
    Off,
    /// Also on plain connections whose client starts with it (prior knowledge).
    PriorKnowledge,
}
