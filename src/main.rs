//! The `trunkline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: the worker may start no thread and open no file.
    if std::env::args_os().nth(1).is_some_and(|command| command == "worker") {
        return trunkline::worker::child_main();
    }
    trunkline::cli::main()
}
