//! The decisions of the master as a pure state machine. No pid, no clock, no syscall, no log line.
