//! A request's client by its header fields, for trusted peers. One family of fields is read, and of it only those that the
//! operator has named: proxies pass on unknown fields, also when a client made them up.

use std::net::IpAddr;

use super::chain::{self, walk};
use super::forwarded_request::{ForwardedRequest, Scheme};
use super::trust::trusts;
use super::{rfc7239, scheme, x_forwarded};
use crate::config::{ForwardedHeaders, Settings, TrustedPeers, XForwarded};
use crate::http::{Field, KnownName, RequestHead};

/// Two fields have different schemes: one of them is a client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement;

#[derive(Debug, Clone)]
pub struct Forwarded {
    trusted: TrustedPeers,
    headers: ForwardedHeaders,
    /// Empty where they are ignored.
    schemes: Vec<SchemeField>,
    /// `script_name` among the forwarder headers.
    script_name: bool,
    /// Known names that are read, a bit each.
    known: u64,
    /// Other names that are read.
    others: Vec<Box<[u8]>>,
}

/// A field that means https with a certain value.
#[derive(Debug, Clone)]
struct SchemeField {
    /// Lower-cased.
    name: Box<[u8]>,
    secure: Box<[u8]>,
}

const SCRIPT_NAME: &[u8] = b"script_name";

impl Forwarded {
    pub fn new(settings: &Settings) -> Self {
        let headers = settings.forwarded_headers.clone();
        let has = |field| match &headers {
            ForwardedHeaders::Standard => false,
            ForwardedHeaders::XForwarded(fields) => fields.contains(&field),
        };
        let schemes: Vec<SchemeField> = settings
            .secure_scheme_headers
            .iter()
            .filter(|_| has(XForwarded::Proto))
            .map(|(name, secure)| SchemeField {
                name: name.as_bytes().into(),
                secure: secure.as_bytes().into(),
            })
            .collect();
        let script_name = settings
            .forwarder_headers
            .iter()
            .any(|name| name == "*" || name.as_bytes() == SCRIPT_NAME);
        let mut this = Self {
            trusted: settings.forwarded_allow_ips.clone(),
            script_name,
            known: 0,
            others: Vec::new(),
            schemes,
            headers,
        };
        let mut names: Vec<Vec<u8>> = match &this.headers {
            ForwardedHeaders::Standard => vec![b"forwarded".to_vec()],
            ForwardedHeaders::XForwarded(fields) => fields
                .iter()
                .filter(|field| **field != XForwarded::Proto)
                .map(|field| known_of(*field).as_str().as_bytes().to_vec())
                .collect(),
        };
        names.extend(this.schemes.iter().map(|field| field.name.to_vec()));
        if script_name {
            names.push(SCRIPT_NAME.to_vec());
        }
        for name in names {
            match KnownName::of(&name) {
                Some(known) => this.known |= bit(known),
                None => this.others.push(name.into()),
            }
        }
        this
    }

    /// `None`: a unix peer, which is trusted as with gunicorn.
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_none_or(|peer| trusts(&self.trusted, peer))
    }

    /// For a request of a trusted peer. `None`: it has none of these fields, or none with a valid value.
    pub fn of_request(&self, head: &RequestHead) -> Result<Option<ForwardedRequest>, Disagreement> {
        if !head.headers().any(|field| self.matters(&field)) {
            return Ok(None);
        }
        let mut reported = match &self.headers {
            ForwardedHeaders::Standard => self.standard(head),
            ForwardedHeaders::XForwarded(fields) => self.x_forwarded(head, fields)?,
        };
        if self.script_name
            && let [value] = values(head, SCRIPT_NAME)[..]
        {
            reported.prefix = x_forwarded::prefix(value).or(reported.prefix);
        }
        Ok((!reported.is_nothing()).then_some(reported))
    }

    fn matters(&self, field: &Field<'_>) -> bool {
        match field.known {
            Some(known) => self.known & bit(known) != 0,
            None => self.others.iter().any(|name| **name == *field.name),
        }
    }

    fn standard(&self, head: &RequestHead) -> ForwardedRequest {
        let elements = rfc7239::elements(&values(head, b"forwarded"));
        let hops = elements.iter().rev().map(|element| element.hop);
        let found = walk(hops, |address| trusts(&self.trusted, address));
        let element = elements.into_iter().rev().nth(found.place);
        let (scheme, host) = element.map_or((None, None), |element| (element.scheme, element.host));
        ForwardedRequest {
            client: found.client,
            scheme,
            host,
            ..ForwardedRequest::default()
        }
    }

    fn x_forwarded(
        &self,
        head: &RequestHead,
        fields: &[XForwarded],
    ) -> Result<ForwardedRequest, Disagreement> {
        let of = |field: XForwarded| {
            if fields.contains(&field) {
                values(head, known_of(field).as_str().as_bytes())
            } else {
                Vec::new()
            }
        };
        let chain = of(XForwarded::For);
        let hops = x_forwarded::from_the_right(&chain).map(chain::hop);
        let found = walk(hops, |address| trusts(&self.trusted, address));
        let at = |field| x_forwarded::at(&of(field), found.place);
        Ok(ForwardedRequest {
            client: found.client,
            scheme: self.scheme(head, found.place)?,
            host: at(XForwarded::Host).and_then(x_forwarded::host),
            port: at(XForwarded::Port)
                .and_then(|entry| std::str::from_utf8(entry).ok())
                .and_then(chain::port)
                .filter(|port| *port > 0),
            prefix: at(XForwarded::Prefix).and_then(x_forwarded::prefix),
        })
    }

    fn scheme(&self, head: &RequestHead, place: usize) -> Result<Option<Scheme>, Disagreement> {
        let mut agreed = None;
        for SchemeField { name, secure } in &self.schemes {
            // Proxies that keep what others say extend its line; another line is someone else's.
            for line in values(head, name) {
                let Some(entry) = x_forwarded::at(&[line], place) else {
                    continue;
                };
                let scheme = scheme::scheme(secure, entry);
                if agreed.is_some_and(|other| other != scheme) {
                    return Err(Disagreement);
                }
                agreed = Some(scheme);
            }
        }
        Ok(agreed)
    }
}

fn known_of(field: XForwarded) -> KnownName {
    match field {
        XForwarded::For => KnownName::XForwardedFor,
        XForwarded::Proto => KnownName::XForwardedProto,
        XForwarded::Host => KnownName::XForwardedHost,
        XForwarded::Port => KnownName::XForwardedPort,
        XForwarded::Prefix => KnownName::XForwardedPrefix,
    }
}

fn bit(known: KnownName) -> u64 {
    1 << (known as u64)
}

/// Of all fields of that name, in their order.
fn values<'h>(head: &'h RequestHead, name: &[u8]) -> Vec<&'h [u8]> {
    head.headers()
        .filter(|field| field.name == name)
        .map(|field| field.value)
        .collect()
}

#[cfg(test)]
mod tests;
