//! The certificates of the server: checked before anything is bound, passed to workers in memory, loaded again when
//! they change.

mod renewal;
mod shared;
mod state;
mod watch;

pub use self::renewal::{
    advance, check, follow, for_a_server_without_master, open, read, reload, restore, state,
};
pub use self::shared::SharedCertificates;
pub use self::state::{CertificateState, Certificates, CertificatesState};
