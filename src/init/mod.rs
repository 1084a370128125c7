//! `rgun init`: deployment files for the project in a directory, as paths and texts.
//!
//! `project` reads the kind of the project from its files; the texts are in `templates`.

mod dependencies;
mod paths;
mod project;
mod project_file;
mod python;
mod source;
mod template;

pub use paths::SettingsDirectory;
pub use project::{Choices, Project, Unclear};
pub use template::{DeployTarget, Draft, drafts};

#[cfg(test)]
mod tests;
