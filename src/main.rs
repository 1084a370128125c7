//! The embedded entry: the binary that brings its own interpreter.

fn main() -> std::process::ExitCode {
    rgun::embedded::main()
}
