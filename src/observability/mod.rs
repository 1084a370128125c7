//! Logs: the error log's format and its writer. It decides nothing.
