//! The program. To be written, but for the process that reads strangers' scenes.

use std::process::ExitCode;

use pictor_cloud::ingest::inspect::child;

fn main() -> ExitCode {
    if let Some(path) = child::asked_for(std::env::args_os()) {
        return child::run(&path);
    }
    ExitCode::SUCCESS
}
