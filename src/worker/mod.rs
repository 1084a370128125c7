//! A worker: Python and the app, all request I/O.
