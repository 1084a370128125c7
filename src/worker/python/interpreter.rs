//! An interpreter of our own, for the binary: started, and finalised in order.

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pyo3::ffi;

/// Why the interpreter did not start.
#[derive(Debug)]
pub enum StartError {
    /// A bug of ours: no executable was chosen.
    NotChosen,
    /// Python's own message.
    Failed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChosen => f.write_str("no Python was chosen"),
            Self::Failed(why) => write!(f, "Python does not start: {why}"),
        }
    }
}

/// The version of the libpython that this process has loaded, such as `3.11.7 (main, …) [GCC …]`. Needs no interpreter.
pub fn loaded_version() -> &'static str {
    // SAFETY: may be called before the interpreter is started, and returns a static string.
    let text = unsafe { CStr::from_ptr(ffi::Py_GetVersion()) };
    text.to_str().unwrap_or_default()
}

/// A running interpreter, whose main thread this is. It holds the GIL wherever pyo3 has not released it.
pub struct Interpreter {
    /// It must be finalised by the same thread.
    main_thread: PhantomData<*const ()>,
}

impl Interpreter {
    /// Starts what `executable` would start, with its environment (`PYTHON*`), its prefix and its site-packages.
    /// `arguments` become `sys.argv`.
    pub fn start(executable: &Path, arguments: &[OsString]) -> Result<Self, StartError> {
        let mut config = Config::new();
        // On Ctrl-C in a terminal a booting program exits, instead of raising KeyboardInterrupt somewhere within
        // `site`.
        config.0.install_signal_handlers = 0;
        // The arguments belong to the program.
        config.0.parse_argv = 0;
        // Python as a program does this with its signal handlers: exceeding the file size limit is an error, not
        // fatal.
        crate::sys::signals::ignore_file_size_signal();
        config.set_executable(executable)?;
        config.set_arguments(arguments)?;
        config.initialize()?;
        Ok(Self {
            main_thread: PhantomData,
        })
    }

    /// Ends as a Python program does: threads are joined, `atexit` runs, standard output is flushed. Call it with no
    /// `Py` left.
    pub fn finish(self) {
        let Self {
            main_thread: PhantomData,
        } = self;
        // SAFETY: this is the main thread of the interpreter (the type cannot leave it) and its thread state is current.
        if unsafe { ffi::Py_FinalizeEx() } < 0 {
            tracing::error!("the app's last output could not be written");
        }
    }
}

/// `PyConfig`, cleared at the end.
struct Config(Box<ffi::PyConfig>);

impl Config {
    fn new() -> Self {
        let mut config = Box::new(MaybeUninit::<ffi::PyConfig>::zeroed());
        // SAFETY: the call fills the whole structure; all-zero is a valid one (numbers and pointers) to begin with.
        let config = unsafe {
            ffi::PyConfig_InitPythonConfig(config.as_mut_ptr());
            config.assume_init()
        };
        Self(config)
    }

    /// Python derives everything else from it, as it does from its own path.
    fn set_executable(&mut self, executable: &Path) -> Result<(), StartError> {
        let path = text(executable.as_os_str())?;
        let config = &raw mut *self.0;
        for field in [
            &raw mut self.0.executable,
            // Before Python 3.11 the search for a virtual environment starts with this.
            &raw mut self.0.program_name,
        ] {
            // SAFETY: both are fields of this initialised configuration, and the text ends with NUL.
            checked(unsafe { ffi::PyConfig_SetBytesString(config, field, path.as_ptr()) })?;
        }
        Ok(())
    }

    fn set_arguments(&mut self, arguments: &[OsString]) -> Result<(), StartError> {
        let texts: Vec<CString> = arguments
            .iter()
            .map(|argument| text(argument))
            .collect::<Result<_, _>>()?;
        let mut pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
        let count = isize::try_from(pointers.len()).expect("a process has fewer arguments");
        // SAFETY: there are that many pointers to texts, which are only read, and outlive the call.
        checked(unsafe {
            ffi::PyConfig_SetBytesArgv(&raw mut *self.0, count, pointers.as_mut_ptr())
        })
    }

    fn initialize(self) -> Result<(), StartError> {
        // SAFETY: the configuration is complete, and there is no interpreter in this process yet.
        checked(unsafe { ffi::Py_InitializeFromConfig(&raw const *self.0) })
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is not used any more.
        unsafe { ffi::PyConfig_Clear(&raw mut *self.0) };
    }
}

fn text(text: &OsStr) -> Result<CString, StartError> {
    CString::new(text.as_bytes()).map_err(|error| StartError::Failed(error.to_string()))
}

fn checked(status: ffi::PyStatus) -> Result<(), StartError> {
    // SAFETY: only reads the value.
    if unsafe { ffi::PyStatus_Exception(status) } == 0 {
        return Ok(());
    }
    if status.err_msg.is_null() {
        return Err(StartError::Failed(format!(
            "it wants to exit with code {}",
            status.exitcode
        )));
    }
    // SAFETY: messages of a status are static strings.
    let message = unsafe { CStr::from_ptr(status.err_msg) };
    Err(StartError::Failed(message.to_string_lossy().into_owned()))
}
