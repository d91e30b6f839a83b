//! The worker's program: reads the command line, does what it says, ends with a code that says how it went.

use clap::Parser;
use pictor_worker::cli::{self, Cli, Exit};

fn main() -> Exit {
    cli::main(Cli::parse())
}
