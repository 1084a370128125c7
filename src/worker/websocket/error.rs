//! Why a message of the app is not sent.

use crate::http::ResponseError;

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("the WebSocket is closed")]
    Gone,
    /// A message that is not allowed in this state.
    #[error("{0}")]
    Order(&'static str),
    #[error("{0}")]
    Value(String),
    #[error("{0}")]
    Response(#[from] ResponseError),
}
