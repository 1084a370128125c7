//! One request and its response, as seen by the app's side.

mod coder;
mod coding;
mod ending;
mod error;
mod handle;
mod handler;
pub(super) mod replying;
mod requests;
mod sending;
pub(super) mod whole_file;
mod writing;

pub use coder::Coder;
pub use ending::{Ending, ResponseVerdict};
pub use error::SendError;
pub use handle::{Exchange, ExchangeStep, Received};
pub use handler::{RequestHandler, WaitingRequest};
pub use requests::Requests;
pub use writing::{Backpressure, Lend, NewSpool};
