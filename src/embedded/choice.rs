//! Chooses the Python of the workers: the path of an executable.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cli::EntryError;

/// Where a Python may be, in order of precedence.
#[derive(Debug, Default)]
pub struct Places {
    /// `--python`.
    pub setting: Option<PathBuf>,
    /// Directories of this binary: as it was started, and with symbolic links resolved.
    pub beside: Vec<PathBuf>,
    /// `$VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// The one this binary was built for.
    pub built_for: Option<PathBuf>,
}

impl Places {
    /// `program` is the name that the process was started by.
    pub fn of_this_process(setting: Option<&Path>, program: Option<&OsString>) -> Self {
        let started = program.and_then(|name| located(name, env::var_os("PATH").as_deref()));
        let real = env::current_exe().ok();
        let directory = |path: PathBuf| path.parent().map(Path::to_owned);
        let filled = |text: &OsStr| (!text.is_empty()).then(|| PathBuf::from(text));
        Self {
            setting: setting.map(Path::to_owned),
            beside: [started, real]
                .into_iter()
                .flatten()
                .filter_map(directory)
                .collect(),
            virtual_env: env::var_os("VIRTUAL_ENV").and_then(|path| filled(&path)),
            built_for: filled(env!("RGUN_PYTHON").as_ref()),
        }
    }
}

/// The first one that exists. Symbolic links are not resolved: the path of the link is what identifies a virtual environment.
pub fn choose(places: &Places) -> Result<PathBuf, EntryError> {
    let chosen = if let Some(setting) = &places.setting {
        setting.clone()
    } else if let Some(beside) = places
        .beside
        .iter()
        .map(|directory| directory.join("python3"))
        .find(|python| is_program(python))
    {
        beside
    } else if let Some(environment) = &places.virtual_env {
        let python = environment.join("bin/python");
        if !is_program(&python) {
            return Err(EntryError {
                message: format!(
                    "VIRTUAL_ENV is {}, but there is no bin/python in it",
                    environment.display()
                ),
                hint: Some("unset it, or name the interpreter with --python".to_owned()),
            });
        }
        python
    } else if let Some(built_for) = &places.built_for {
        built_for.clone()
    } else {
        return Err(EntryError {
            message: "no Python was found".to_owned(),
            hint: Some("name the interpreter with --python, or set VIRTUAL_ENV".to_owned()),
        });
    };
    // Workers change their directory before they start it.
    std::path::absolute(&chosen).map_err(|error| EntryError {
        message: format!("{}: {error}", chosen.display()),
        hint: None,
    })
}

/// The file that a shell would have started by that name.
fn located(name: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        return Some(PathBuf::from(name));
    }
    env::split_paths(path?)
        .map(|directory| directory.join(name))
        .find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn python_in(directory: &Path, name: &str) -> PathBuf {
        let python = directory.join(name);
        std::fs::create_dir_all(python.parent().unwrap()).unwrap();
        symlink("/bin/sh", &python).unwrap();
        python
    }

    #[test]
    fn the_setting_counts_even_where_it_is_wrong() {
        let places = Places {
            setting: Some("/nowhere/python".into()),
            built_for: Some("/bin/sh".into()),
            ..Places::default()
        };
        assert_eq!(choose(&places).unwrap(), Path::new("/nowhere/python"));
    }

    #[test]
    fn then_the_one_beside_the_binary_then_the_environment_then_the_build() {
        let directory = tempfile::tempdir().unwrap();
        let beside = directory.path().join("one");
        let environment = directory.path().join("two");
        let inside = python_in(&environment, "bin/python");
        let mut places = Places {
            beside: vec![beside.clone()],
            virtual_env: Some(environment),
            built_for: Some("/built".into()),
            ..Places::default()
        };
        assert_eq!(choose(&places).unwrap(), inside, "nothing is beside it yet");
        let python = python_in(&beside, "python3");
        assert_eq!(choose(&places).unwrap(), python);
        places.beside.clear();
        places.virtual_env = None;
        assert_eq!(choose(&places).unwrap(), Path::new("/built"));
        places.built_for = None;
        assert!(choose(&places).is_err());
    }

    #[test]
    fn an_environment_without_python_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places {
            virtual_env: Some(directory.path().to_owned()),
            built_for: Some("/bin/sh".into()),
            ..Places::default()
        };
        let refusal = choose(&places).unwrap_err();
        assert!(refusal.message.contains("no bin/python"), "{refusal:?}");
    }

    #[test]
    fn a_name_without_a_directory_is_looked_up_as_a_shell_does() {
        let directory = tempfile::tempdir().unwrap();
        let program = python_in(directory.path(), "bin/rgun");
        let path = env::join_paths([Path::new("/nowhere"), program.parent().unwrap()]).unwrap();
        assert_eq!(located("rgun".as_ref(), Some(&path)), Some(program));
        assert_eq!(located("./rgun".as_ref(), None), Some("./rgun".into()));
        assert_eq!(located("rgun".as_ref(), Some("/nowhere".as_ref())), None);
    }
}
