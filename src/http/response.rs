//! The head of a response while its fields are given. It does not choose the framing.

use super::connection::Connection;
use super::error::ResponseError;

/// Made by `Connection::begin_response`.
#[derive(Debug)]
pub struct ResponseHead<'c> {
    _connection: &'c mut Connection,
}

impl ResponseHead<'_> {
    /// Validates and serialises one field, in the app's order and spelling. Framing fields are ours: `transfer-encoding`,
    /// `keep-alive` are dropped, of `connection` only `close` counts.
    pub fn header(&mut self, _name: &[u8], _value: &[u8]) -> Result<(), ResponseError> {
        todo!()
    }

    pub fn finish(self) {
        todo!()
    }
}
