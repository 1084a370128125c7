//! Why the app's response is not sent.

use crate::http::ResponseError;

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the client has closed the connection")]
    Gone,
    /// A second file while the first is being sent.
    #[error("the file sent before has not left: await send()")]
    FileInProgress,
    #[error("{0}")]
    Response(#[from] ResponseError),
}
