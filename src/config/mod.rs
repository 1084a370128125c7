//! The user's configuration, complete and validated: plain data that every layer may read.
//!
//! The typed text (`Layer`, with the `Origin` of each value) becomes `Settings` in `resolve`; `definition` is the one
//! place that defines the settings, and the command line, `--help` and `docs/settings.md` are generated from it.

mod cfg;
mod companion;
mod compression;
mod cpus;
mod definition;
mod effective;
mod error;
mod files;
mod foreign;
mod http2;
mod layer;
mod location;
mod logging;
mod migration;
mod origin;
mod page;
mod process_environment;
mod resolve;
mod rollouts;
mod scaling;
mod schema;
mod script;
mod settings;
mod settings_record;
mod support;
mod tls;
mod toml_file;
mod value;
mod variables;
mod words;

pub use crate::sys::Protection;
pub use cfg::cfg;
pub use companion::{CompanionSettings, ReopenSignal};
pub use compression::{ResponseCoding, ResponseCompression};
pub use cpus::{CpuFiles, cpus};
pub use definition::{
    Definition, Group, Occurs, Support, ValueType, Variable, called, definition, definitions,
    nearest, understood,
};
pub use effective::effective;
pub use error::{Error, ErrorSubject};
pub use files::{DirectoryIndex, DjangoFiles, Fallthrough, Immutable, StaticFiles, StaticMount};
pub use foreign::{Foreign, foreign, foreign_near};
pub use http2::*;
pub use layer::{Given, Layer, Layers};
pub use location::{Files, Script, files};
pub use logging::*;
use migration::is_hook;
pub use migration::{known_settings, migration};
pub use origin::Origin;
pub use page::page;
pub use process_environment::{ProcessEnvironment, cpus_now, start_directory};
pub use resolve::{MOST_WORKERS, Resolved, RunMode, control, duration, preview_address, resolve};
pub use rollouts::{PreviewHeader, RollbackKeep, UpgradeMode};
pub use scaling::{ScalingSettings, WorkersByCpus};
pub use schema::schema;
pub use script::{HOOKS, HookScript, PROGRAM, ScriptAnswer, answer, location, question};
pub use settings::*;
pub use settings_record::{ScriptEffects, SettingsRecord};
pub use support::idle;
pub use tls::*;
pub use toml_file::toml;
pub use variables::{environment, own_variables};
pub use words::{Unbalanced, split};

/// More options in gunicorn's own variable; read as if they came first on the command line.
pub const CMD_ARGS: &str = "GUNICORN_CMD_ARGS";

/// The same for this program alone; stronger.
pub const OWN_CMD_ARGS: &str = "RGUN_CMD_ARGS";
