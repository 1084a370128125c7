//! `rgun init`: deployment files for the project in a directory, as paths and texts.
//!
//! What the project is, `project` reads from its files; what is written about it stands in `templates`.

mod project;
mod source;
mod template;

pub use project::{Choices, Project, Unclear};
pub use template::{Draft, Target, drafts};

#[cfg(test)]
mod tests;
