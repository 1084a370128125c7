//! Errors of the operating system that name the call and its object.

use std::fmt;
use std::io;
use std::path::Path;

/// `bind 0.0.0.0:8000: address already in use`.
#[derive(Debug)]
pub struct Error {
    /// What was called: `bind`, `fork`, `open`.
    pub call: &'static str,
    /// On what; empty when there is nothing to name.
    pub object: String,
    /// The system's error.
    pub source: io::Error,
    /// What the reader can do about it, where that is known.
    pub hint: Option<String>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `call` on `object`.
    pub fn new(
        call: &'static str,
        object: impl fmt::Display,
        source: impl Into<io::Error>,
    ) -> Self {
        Self {
            call,
            object: object.to_string(),
            source: source.into(),
            hint: None,
        }
    }

    /// The last error of the C library.
    pub fn last(call: &'static str, object: impl fmt::Display) -> Self {
        Self::new(call, object, io::Error::last_os_error())
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint on why a file cannot be created at `path`, where the cause is known.
    #[must_use]
    pub fn with_path_hint(self, path: &Path) -> Self {
        let directory = path.parent().unwrap_or(Path::new("/")).display();
        let hint = match self.kind() {
            io::ErrorKind::NotFound => format!("the directory {directory} does not exist"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!(
                    "there is no space left in {directory}: free some, or name a place in memory, such as /run or /dev/shm"
                )
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                format!(
                    "{directory} is read-only: name a place that is not, such as /run or /dev/shm, or mount one there (docker run --tmpfs)"
                )
            }
            io::ErrorKind::PermissionDenied => {
                format!("the user of this process has to be able to write to {directory}")
            }
            _ => return self,
        };
        match self.hint {
            None => self.with_hint(hint),
            Some(_) => self,
        }
    }

    /// The system's message alone, as it reads in the middle of a sentence.
    #[must_use]
    pub fn reason(error: &io::Error) -> String {
        Reason(error).to_string()
    }

    /// The kind of the underlying error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        write!(f, ": {}", Reason(&self.source))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The system's message as it reads in the middle of a sentence: lower case, without `(os error 98)`.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = match text.find(" (os error ") {
            Some(end) => text.get(..end).unwrap_or(&text),
            None => &text,
        };
        let mut letters = text.chars();
        let (first, rest) = (letters.next(), letters.as_str());
        // An abbreviation (`I/O error`) keeps its capitals.
        match first {
            Some(first) if rest.chars().next().is_some_and(char::is_lowercase) => {
                write!(f, "{}{rest}", first.to_lowercase())
            }
            _ => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_call_and_object() {
        let error = Error::new(
            "bind",
            "0.0.0.0:8000",
            io::Error::from_raw_os_error(libc::EADDRINUSE),
        );
        assert_eq!(
            error.to_string(),
            "bind 0.0.0.0:8000: address already in use"
        );
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn without_an_object_there_is_no_gap() {
        let error = Error::new("fork", "", io::Error::from_raw_os_error(libc::EAGAIN));
        assert_eq!(error.to_string(), "fork: resource temporarily unavailable");
    }
}
