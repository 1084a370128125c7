//! How a project names its requirements, and the commands that install them into an active virtual environment.

use std::path::Path;

use serde::Serialize;

use super::project_file::text;

/// Commands are words after the program: `pip`, or `tool` in an environment of its own.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dependencies {
    /// What the commands need, as `COPY` takes it; empty: all files of the project.
    pub files: String,
    /// `files` is a directory, whose content `COPY` would take without its name.
    pub is_directory: bool,
    /// `uv`, `poetry` or `pipenv`; `None`: pip installs them.
    pub tool: Option<&'static str>,
    pub arguments: String,
    /// The project is a package, whose modules are found once it is installed.
    pub is_package: bool,
    /// No file names them: what is installed was found in the app's module.
    pub is_guessed: bool,
}

impl Dependencies {
    /// The text of the file that names them comes second. `guessed`: packages to install where none does.
    pub fn found(directory: &Path, guessed: impl FnOnce() -> Vec<&'static str>) -> (Self, String) {
        let has = |name: &str| directory.join(name).is_file();
        let read = |name: &str| text(&directory.join(name)).unwrap_or_default();
        let listed = [
            "requirements.txt",
            "requirements/production.txt",
            "requirements/prod.txt",
            "requirements/base.txt",
        ];
        if let Some(name) = listed.into_iter().find(|name| has(name)) {
            let file = Self {
                files: name.to_owned(),
                arguments: format!("install -r {name}"),
                ..Self::default()
            };
            // A file may include others of its directory.
            let file = match name.split_once('/') {
                Some((directory, _)) => Self {
                    files: directory.to_owned(),
                    is_directory: true,
                    ..file
                },
                None => file,
            };
            return (file, read(name));
        }
        let pyproject = read("pyproject.toml");
        let has_table = |name: &str| {
            let names = [format!("[{name}]"), format!("[{name}.")];
            pyproject
                .lines()
                .any(|line| names.iter().any(|name| line.trim_start().starts_with(name)))
        };
        let is_built = has_table("build-system");
        let of_tool = |tool, files: &str, arguments: &str| Self {
            files: files.to_owned(),
            is_directory: false,
            tool: Some(tool),
            arguments: arguments.to_owned(),
            // Of a flat project the modules are in the working directory.
            is_package: is_built && directory.join("src").is_dir(),
            is_guessed: false,
        };
        let found = if has("uv.lock") {
            // `--inexact`: what else is in the environment stays.
            let arguments = "sync --active --inexact --frozen --no-dev --no-install-project";
            of_tool("uv", "pyproject.toml uv.lock", arguments)
        } else if has_table("tool.poetry") || has("poetry.lock") {
            let files = if has("poetry.lock") {
                "pyproject.toml poetry.lock"
            } else {
                "pyproject.toml"
            };
            of_tool(
                "poetry",
                files,
                "install --no-interaction --only main --no-root",
            )
        } else if has_table("project") && !is_built && !has("setup.py") {
            // An application: its tables name packages, and it is none itself.
            of_tool("uv", "pyproject.toml", "pip install -r pyproject.toml")
        } else if has_table("project") || has("setup.py") {
            let text = pyproject + &read("setup.py") + &read("setup.cfg");
            let package = Self {
                arguments: "install .".to_owned(),
                ..Self::default()
            };
            return (package, text);
        } else if has("Pipfile.lock") {
            let pipfile = of_tool("pipenv", "Pipfile Pipfile.lock", "sync");
            return (pipfile, read("Pipfile"));
        } else if has("Pipfile") {
            let pipfile = of_tool("pipenv", "Pipfile", "install --skip-lock");
            return (pipfile, read("Pipfile"));
        } else {
            let packages = guessed();
            let guess = Self {
                arguments: if packages.is_empty() {
                    String::new()
                } else {
                    format!("install {}", packages.join(" "))
                },
                is_guessed: true,
                ..Self::default()
            };
            return (guess, String::new());
        };
        (found, pyproject)
    }
}
