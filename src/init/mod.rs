//! `rgun init`: deployment files for the project in a directory, as paths and texts.
//!
//! `project` reads the kind of the project from its files; the texts are in `templates`.

mod dependencies;
mod gaps;
mod paths;
mod project;
mod project_file;
mod python;
mod source;
mod sqlite;
mod template;

pub use gaps::{Obstacle, Omission, obstacle, omissions};
pub use paths::SettingsDirectory;
pub use project::{Choices, DjangoProject, Project, Unclear};
pub use sqlite::SqliteFile;
pub use template::{DeployTarget, Draft, drafts};

#[cfg(test)]
mod tests;
