//! The operator's limits and choices for requests.

/// Limits and choices of one listener, shared by its connections. Sizes in bytes; `usize::MAX`: no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The request line without its CRLF; 414 above.
    pub limit_request_line: usize,
    /// Number of header fields, and of trailer fields; 431 above.
    pub limit_request_fields: usize,
    /// One field line without its CRLF; 431 above.
    pub limit_request_field_size: usize,
    /// The request body after de-chunking; 413 above.
    pub limit_request_body: Option<u64>,
    /// Header names with an underscore.
    pub header_map: UnderscorePolicy,
    /// Lower-cased names that are exempt from `header_map`.
    pub exempt_names: Vec<Box<[u8]>>,
    pub keep_alive: KeepAlive,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            limit_request_line: 8190,
            limit_request_fields: 100,
            limit_request_field_size: 8190,
            limit_request_body: None,
            header_map: UnderscorePolicy::Drop,
            exempt_names: Vec::new(),
            keep_alive: KeepAlive::Allowed,
        }
    }
}

/// The treatment of header names with an underscore: CGI-like environments make `-` and `_` the same,
/// so such a name could be mistaken for one that a proxy sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderscorePolicy {
    /// The field is not shown to the app.
    Drop,
    /// The request is answered 400.
    Refuse,
    /// The field is shown under its own name.
    Dangerous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    Allowed,
    /// Every response closes its connection.
    Off,
}
