//! Which configuration file is read: the one that was named, or those in the working directory.

use std::fs::{self, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Error;
use super::error::shown;
use crate::sys::{self, open_at_once};

const RGUN: &str = "rgun.toml";
const PYPROJECT: &str = "pyproject.toml";
const GUNICORN: &str = "gunicorn.conf.py";

/// In bytes. A reload reads the file in the master.
const LONGEST: u64 = 16 << 20;

/// A configuration file in Python, evaluated by an interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    File(PathBuf),
    Module(String),
}

/// The files of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    pub toml: Option<Toml>,
    pub script: Option<Script>,
    /// How messages name the script.
    pub script_name: String,
}

impl Files {
    /// The file that has settings in it, as messages name it. A `pyproject.toml` without a `[tool.rgun]` table has none.
    pub fn name(&self) -> Option<&str> {
        if self.script.is_some() {
            return Some(&self.script_name);
        }
        let toml = self.toml.as_ref()?;
        (toml.place == SettingsTable::Top || toml.text.contains("[tool.rgun")).then_some(&toml.name)
    }
}

/// The text of a TOML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toml {
    /// As messages name it.
    pub name: String,
    pub text: String,
    pub place: SettingsTable,
}

/// Where in the file the settings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsTable {
    Top,
    /// In `[tool.rgun]`, which may be absent.
    Tool,
}

/// `given`: the value of `--config`. A named file is read alone; of the files found, not every combination is valid.
pub fn files(given: Option<&str>, directory: &Path) -> Result<Files, Error> {
    match given.filter(|given| !given.is_empty()) {
        Some(given) => named(given, directory),
        None => found(directory),
    }
}

fn named(given: &str, directory: &Path) -> Result<Files, Error> {
    if let Some(module) = given.strip_prefix("python:") {
        return Ok(Files {
            script: Some(Script::Module(module.to_owned())),
            script_name: given.to_owned(),
            ..Files::default()
        });
    }
    let name = given.strip_prefix("file:").unwrap_or(given);
    if name.is_empty() {
        return Err(Error::File {
            place: shown(given),
            problem: "names no file".to_owned(),
            excerpt: None,
            hint: None,
        });
    }
    let path = directory.join(name);
    let is_toml = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if is_toml {
        let place = if path.file_name().is_some_and(|file| file == PYPROJECT) {
            SettingsTable::Tool
        } else {
            SettingsTable::Top
        };
        let toml = read(&path, name, place)?.ok_or_else(|| absent(name))?;
        return Ok(Files {
            toml: Some(toml),
            ..Files::default()
        });
    }
    // Also `/dev/null`, for a run without any file.
    match kind(&path, name)? {
        Some(kind) if kind.is_dir() => return Err(not_regular(name)),
        Some(_) => {}
        None => return Err(absent(name)),
    }
    Ok(Files {
        script: Some(Script::File(path)),
        script_name: name.to_owned(),
        ..Files::default()
    })
}

fn found(directory: &Path) -> Result<Files, Error> {
    let path = directory.join(GUNICORN);
    let script = match kind(&path, GUNICORN)? {
        Some(kind) if kind.is_file() => Some(Script::File(path)),
        Some(_) => return Err(not_regular(GUNICORN)),
        None => None,
    };
    let own = read(&directory.join(RGUN), RGUN, SettingsTable::Top)?;
    if own.is_some() && script.is_some() {
        return Err(Error::File {
            place: directory.display().to_string(),
            problem: format!("there is an {RGUN} as well as a {GUNICORN}"),
            excerpt: None,
            hint: Some(format!("choose one with `-c {RGUN}` or `-c {GUNICORN}`")),
        });
    }
    let toml = match own {
        Some(toml) => Some(toml),
        None => read(&directory.join(PYPROJECT), PYPROJECT, SettingsTable::Tool)?,
    };
    Ok(Files {
        toml,
        script_name: GUNICORN.to_owned(),
        script,
    })
}

fn read(path: &Path, name: &str, place: SettingsTable) -> Result<Option<Toml>, Error> {
    match text(path) {
        Ok(text) => Ok(Some(Toml {
            name: shown(name),
            text,
            place,
        })),
        Err(Unreadable::System(error))
            if error.kind() == io::ErrorKind::NotFound && !is_link(path) =>
        {
            Ok(None)
        }
        Err(Unreadable::System(error)) => Err(unreadable(name, error)),
        Err(Unreadable::NotText { line }) => Err(Error::File {
            place: format!("{}:{line}", shown(name)),
            problem: "is not UTF-8".to_owned(),
            excerpt: None,
            hint: Some("save the file as UTF-8".to_owned()),
        }),
    }
}

/// What there is at the path; `None`: nothing.
fn kind(path: &Path, name: &str) -> Result<Option<FileType>, Error> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) && !is_link(path) =>
        {
            Ok(None)
        }
        Err(error) => Err(unreadable(name, error)),
    }
}

/// A link that leads nowhere is a mistake, and not the absence of a file.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink())
}

fn not_regular(name: &str) -> Error {
    unreadable(name, io::Error::other("is not a regular file"))
}

fn unreadable(name: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Some("the user that starts rgun needs read access to the file and to its directories")
        }
        io::ErrorKind::NotFound => Some("it is a symbolic link that leads nowhere"),
        _ => None,
    };
    let hint = hint.map(str::to_owned);
    Error::File {
        place: shown(name),
        problem: match error.raw_os_error() {
            Some(_) => sys::Error::new("cannot be read", "", error).to_string(),
            None => error.to_string(),
        },
        excerpt: None,
        hint,
    }
}

enum Unreadable {
    System(io::Error),
    /// `line`: the first one with other bytes than UTF-8.
    NotText {
        line: usize,
    },
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Does not wait for the writer of a FIFO.
fn text(path: &Path) -> Result<String, Unreadable> {
    let file = open_at_once(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("is not a regular file").into());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("is larger than 16 MiB").into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        Unreadable::NotText { line }
    })
}

fn absent(name: &str) -> Error {
    Error::File {
        place: shown(name),
        problem: "there is no such configuration file".to_owned(),
        excerpt: None,
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(directory.path().join(file), "").unwrap();
        }
        directory
    }

    fn names(files: &Files) -> (Option<&str>, Option<&Script>) {
        (
            files.toml.as_ref().map(|toml| toml.name.as_str()),
            files.script.as_ref(),
        )
    }

    #[test]
    fn what_lies_there_is_found() {
        for (there, toml, script) in [
            (&[][..], None, false),
            (&[RGUN], Some(RGUN), false),
            (&[PYPROJECT], Some(PYPROJECT), false),
            (&[RGUN, PYPROJECT], Some(RGUN), false),
            (&[GUNICORN], None, true),
            (&[PYPROJECT, GUNICORN], Some(PYPROJECT), true),
        ] {
            let directory = directory(there);
            let files = files(None, directory.path()).unwrap();
            assert_eq!(
                (names(&files).0, names(&files).1.is_some()),
                (toml, script),
                "{there:?}"
            );
        }
    }

    #[test]
    fn two_that_exclude_each_other_have_to_be_told_apart() {
        let directory = directory(&[RGUN, GUNICORN, PYPROJECT]);
        let error = files(None, directory.path()).unwrap_err();
        assert!(error.hint().unwrap().contains("-c rgun.toml"), "{error}");
        assert_eq!(error.exit_code(), 1);
        let alone = files(Some(RGUN), directory.path()).unwrap();
        assert_eq!(names(&alone), (Some(RGUN), None));
        let alone = files(Some("file:gunicorn.conf.py"), directory.path()).unwrap();
        assert_eq!(
            names(&alone),
            (None, Some(&Script::File(directory.path().join(GUNICORN))))
        );
        let module = files(Some("python:site.conf"), directory.path()).unwrap();
        assert_eq!(
            names(&module),
            (None, Some(&Script::Module("site.conf".into())))
        );
    }

    #[test]
    fn one_that_was_named_must_be_there() {
        let directory = directory(&[]);
        for (name, problem) in [
            ("no.py", "there is no such configuration file"),
            ("no.toml", "there is no such configuration file"),
            ("file:no", "there is no such configuration file"),
            ("/", "/: is not a regular file"),
            ("file:", "file:: names no file"),
        ] {
            let error = files(Some(name), directory.path()).unwrap_err();
            assert!(error.to_string().ends_with(problem), "{error}");
        }
    }

    #[test]
    fn what_lies_there_and_is_no_file_is_not_passed_over() {
        use std::os::unix::fs::symlink;

        for name in [RGUN, PYPROJECT, GUNICORN] {
            let directory = directory(&[]);
            let path = directory.path().join(name);
            let fault = || files(None, directory.path()).unwrap_err();
            symlink("nowhere", &path).unwrap();
            assert!(fault().hint().unwrap().contains("leads nowhere"), "{name}");
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            assert!(fault().to_string().starts_with(name), "{name}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_not_taken_for_absent() {
        use std::os::unix::fs::symlink;

        let directory = directory(&[]);
        // An error that root gets, too.
        for name in ["loop.py", "loop.toml", GUNICORN] {
            let path = directory.path().join(name);
            symlink(&path, &path).unwrap();
            let error = files(Some(name), directory.path()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{name}: cannot be read: ")),
                "{error}"
            );
        }
        let error = files(None, directory.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("gunicorn.conf.py: cannot be read: "),
            "{error}"
        );
    }

    #[test]
    fn other_bytes_than_utf_8_are_named_with_their_line() {
        let directory = directory(&[]);
        let text = b"workers = 2\n# caf\xe9\nthreads = 2\n";
        fs::write(directory.path().join(RGUN), text).unwrap();
        let error = files(None, directory.path()).unwrap_err();
        assert_eq!(error.to_string(), "rgun.toml:2: is not UTF-8");
        assert!(error.hint().unwrap().contains("UTF-8"));
    }

    #[test]
    fn files_that_do_not_end_are_rejected() {
        use std::os::fd::AsRawFd;
        use std::os::unix::fs::symlink;

        let directory = directory(&[]);
        let path = directory.path().join(RGUN);
        let fault = || files(None, directory.path()).unwrap_err().to_string();
        let (reader, _writer) = io::pipe().unwrap();
        let pipe = format!("/proc/self/fd/{}", reader.as_raw_fd());
        for endless in [pipe.as_str(), "/dev/zero"] {
            symlink(endless, &path).unwrap();
            assert_eq!(fault(), "rgun.toml: is not a regular file");
            fs::remove_file(&path).unwrap();
        }
        let large = fs::File::create(&path).unwrap();
        large.set_len(LONGEST + 1).unwrap();
        assert_eq!(fault(), "rgun.toml: is larger than 16 MiB");
    }
}
