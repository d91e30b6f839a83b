//! `pictor`, the creator's command-line client: submit scenes, watch jobs, fetch frames.
//!
//! It speaks the public HTTP API and nothing else. On a terminal it shows progress; in a pipe only whoever
//! waits for a job is told of its changes; `--json` prints the API's own shapes, and what went wrong as one
//! object on standard error. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 auth, 5 conflict, 7 network.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a command-line tool: printing is what it is for

mod arguments;
mod client;
mod error;
mod jobs;
mod login;
mod progress;
mod pull;
mod settings;
mod show;
mod submit;
mod upload;
mod watching;
mod workers;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command, JobsCommand, WorkersCommand};
use client::Client;
use error::{Failure, Kind};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are no failures.
        Err(error) if error.use_stderr() && asks_for_json() => {
            let words = error.to_string();
            return failed(&Failure::new(Kind::Usage, words.trim_start_matches("error: ").trim()), true);
        }
        Err(error) => error.exit(),
    };
    let is_json = arguments.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(Failure::failed(format!("cannot start: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure, is_json),
    }
}

/// Of a call that is not understood: whether a program made it.
fn asks_for_json() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

fn failed(failure: &Failure, is_json: bool) -> ExitCode {
    if is_json {
        eprintln!("{}", failure.to_json());
    } else {
        eprintln!("pictor: {failure}");
    }
    ExitCode::from(failure.exit_code())
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let is_json = arguments.json;
    // A variable that is set to nothing is as good as none.
    let url = arguments.url.as_deref().filter(|url| !url.trim().is_empty());
    let token = arguments.token.as_deref().filter(|token| !token.trim().is_empty());
    let client = || Client::from_settings(url, token);
    match arguments.command {
        Command::Submit(submit) => submit::run(&client()?, &submit, is_json).await,
        Command::Jobs { command } => match command {
            JobsCommand::List(list) => jobs::list(&client()?, &list, is_json).await,
            JobsCommand::Show { job } => jobs::show(&client()?, &job, is_json).await,
            JobsCommand::Watch { job } => jobs::watch(&client()?, &job, is_json).await,
            JobsCommand::Pause { job } => jobs::act(&client()?, &job, "pause", is_json).await,
            JobsCommand::Resume { job } => jobs::act(&client()?, &job, "resume", is_json).await,
            JobsCommand::Cancel { job } => jobs::act(&client()?, &job, "cancel", is_json).await,
            JobsCommand::Retry { job } => jobs::act(&client()?, &job, "retry", is_json).await,
            JobsCommand::Priority { job, priority } => {
                jobs::priority(&client()?, &job, priority, is_json).await
            }
            JobsCommand::Tasks { job } => jobs::tasks(&client()?, &job, is_json).await,
            JobsCommand::Frames { job } => jobs::frames(&client()?, &job, is_json).await,
            JobsCommand::Logs { job, follow } => jobs::logs(&client()?, &job, follow, is_json).await,
        },
        Command::Pull(pull) => pull::run(&client()?, &pull, is_json).await,
        Command::Workers { command } => match command {
            WorkersCommand::List => workers::list(&client()?, is_json).await,
            WorkersCommand::Show { worker } => workers::show(&client()?, &worker, is_json).await,
        },
        Command::Login => login::login(url, token, is_json).await,
        Command::Logout => login::logout(is_json),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "pictor", &mut std::io::stdout());
            Ok(())
        }
    }
}
