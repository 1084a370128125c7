//! What TLS needs before the first client: certificate files read and checked, certificates chosen by name, session tickets.
//!
//! The master reads the files and checks them; the workers get their bytes and make the same configuration of them. Records
//! of a connection are in `worker`.

mod certificate;
mod files;
mod problem;
mod resolver;
mod server;
mod tickets;

pub use certificate::Certificate;
pub use files::Material;
pub use problem::Problem;
pub use resolver::chosen_certificate;
pub use server::{CertificateSummary, LoadedTls, load, summaries};
pub use tickets::{PERIOD_SECONDS, new_key};

#[cfg(test)]
mod tests;
