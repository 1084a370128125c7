//! The settings that forwarding headers and PROXY headers depend on, in the words of `src/config/settings.rs`; the rest of the
//! configuration is not for any bytes, and needs much more than this crate has.

use std::net::IpAddr;

#[derive(Debug, Clone)]
pub enum TrustedPeers {
    All,
    Networks(Vec<(IpAddr, u8)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XForwarded {
    For,
    Proto,
    Host,
    Port,
    Prefix,
}

#[derive(Debug, Clone)]
pub enum ForwardedHeaders {
    Standard,
    XForwarded(Vec<XForwarded>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    Off,
    V1,
    V2,
    Auto,
}

#[derive(Debug)]
pub struct Settings {
    pub forwarded_allow_ips: TrustedPeers,
    pub forwarded_headers: ForwardedHeaders,
    pub secure_scheme_headers: Vec<(String, String)>,
    pub forwarder_headers: Vec<String>,
}
