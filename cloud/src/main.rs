//! The program `pictor-cloud`: see `cli` for its verbs.

use std::process::ExitCode;

use pictor_cloud::cli;
use pictor_cloud::ingest::inspect::child;

fn main() -> ExitCode {
    // Asked first of all: nothing else of the program should be there when a stranger's file is read.
    if let Some(path) = child::asked_for(std::env::args_os()) {
        return child::run(&path);
    }
    cli::main()
}
