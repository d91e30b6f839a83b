//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pictor_actors::ids::JobId;

/// Send Blender scenes to a Pictor farm and get their frames back.
#[derive(Debug, Parser)]
#[command(name = "pictor", version, propagate_version = true)]
pub struct Arguments {
    /// Address of the cloud
    #[arg(long, env = "PICTOR_URL", global = true)]
    pub url: Option<String>,
    /// API token; `pictor login` keeps one
    #[arg(long, env = "PICTOR_TOKEN", global = true, hide_env_values = true)]
    pub token: Option<String>,
    /// Print JSON on standard output and nothing else there; on standard error one object if it fails
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Upload a .blend file (or a .zip with linked files) and render it
    ///
    /// Frames, size, engine, samples, scene and camera are the file's own unless given. Give a .zip with
    /// the scene and everything it links, in the same folders as on your disk.
    ///
    /// Scripts of a scene never run on a worker. A scene that needs one to look right (drivers and handlers
    /// in Python, OSL shaders, Freestyle style modules) is not rendered wrongly: its job ends as "needs
    /// scripts".
    Submit(SubmitArguments),
    /// Jobs of your account
    Jobs {
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// Download a job's frames
    ///
    /// Frames that are there already are not fetched again, and a file that is not this job's frame is never
    /// overwritten.
    Pull(PullArguments),
    /// Workers of your account
    Workers {
        #[command(subcommand)]
        command: WorkersCommand,
    },
    /// Keep an API token for this cloud
    Login,
    /// Forget the kept token
    Logout,
    /// Print a completion script for your shell
    Completion {
        /// bash, zsh, fish, powershell or elvish
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct SubmitArguments {
    /// A .blend file, or a .zip that holds one with the files it links
    pub file: PathBuf,
    /// Frames: 1-240, 1-240x2 or 1,5,9-20; the scene's own range unless given
    #[arg(long, allow_hyphen_values = true)]
    pub frames: Option<String>,
    /// PNG, JPEG, OPEN_EXR or OPEN_EXR_MULTILAYER
    #[arg(long, ignore_case = true, value_parser = ["PNG", "JPEG", "OPEN_EXR", "OPEN_EXR_MULTILAYER"])]
    pub format: Option<String>,
    /// Samples a pixel
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub samples: Option<u32>,
    /// Resolution in pixels, as WIDTHxHEIGHT
    #[arg(long, value_name = "WxH", value_parser = resolution)]
    pub resolution: Option<(u32, u32)>,
    /// 0 (last) to 100 (first); 50 unless given
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub priority: Option<u8>,
    /// Name of the job; the file's name unless given
    #[arg(long)]
    pub name: Option<String>,
    /// The scene file to render, where a zip holds several
    #[arg(long, value_name = "PATH")]
    pub main: Option<String>,
    /// Scene by name
    #[arg(long)]
    pub scene: Option<String>,
    /// Camera by name
    #[arg(long)]
    pub camera: Option<String>,
    /// cycles, eevee or workbench; simulated on a cloud that allows simulation
    #[arg(long, value_parser = ["cycles", "eevee", "workbench", "simulated"])]
    pub engine: Option<String>,
    /// Frames a task; by time unless given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk: Option<u32>,
    /// Create the job paused
    #[arg(long)]
    pub paused: bool,
    /// Stay and show progress until the job ends; the exit code tells how
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first
    List(ListArguments),
    /// One job with its settings, warnings and failures
    Show {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Show progress until the job ends; the exit code tells how
    ///
    /// On a terminal a bar; elsewhere a line on standard error whenever its state, or the reason why it
    /// waits, changes. With --json each of them is a line of JSON on standard output, the last one the
    /// ended job.
    Watch {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Pause: frames in hand are finished, nothing new starts
    Pause {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Go on with a paused job
    Resume {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Stop and render nothing more; finished frames stay
    Cancel {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Try the failed tasks again
    Retry {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Change the priority
    Priority {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
        /// 0 (last) to 100 (first)
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        priority: u8,
    },
    /// Its tasks, with their attempts and workers
    Tasks {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// Its frames, with their state, size and render time
    Frames {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
    },
    /// The render log
    Logs {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: String,
        /// Stay and print new lines until the job ends
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Debug, Args)]
pub struct ListArguments {
    /// At most this many
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct PullArguments {
    /// The job's id
    #[arg(value_parser = job_id)]
    pub job: String,
    /// Folder for the frames; unless given one of the job's name (and the end of its id, where other frames
    /// lie in that)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Stay and fetch each frame as it arrives, until the job ends
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Subcommand)]
pub enum WorkersCommand {
    /// List workers
    List,
    /// One worker
    Show {
        /// The worker's id or name
        worker: String,
    },
}

/// Asked before the cloud is: its answer would be that there is nothing at such an address.
fn job_id(text: &str) -> Result<String, String> {
    match text.parse::<JobId>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => {
            Err("no job's id: one is job_ and 32 hexadecimal digits; `pictor jobs list` shows them".into())
        }
    }
}

fn resolution(text: &str) -> Result<(u32, u32), String> {
    let parse = |part: &str| part.parse::<u32>().ok().filter(|pixels| (1..=65_536).contains(pixels));
    text.split_once(['x', 'X'])
        .and_then(|(width, height)| Some((parse(width)?, parse(height)?)))
        .ok_or_else(|| "give pixels as WIDTHxHEIGHT, for instance 1920x1080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_text_that_is_no_job_id_is_refused_with_what_one_looks_like() {
        let good = "job_00000000000000000000000000000001";
        assert_eq!(job_id(good), Ok(good.to_owned()));
        for bad in ["job_x", "shot", "", "wrk_00000000000000000000000000000001"] {
            assert!(job_id(bad).unwrap_err().contains("job_ and 32 hexadecimal digits"), "{bad}");
        }
    }

    #[test]
    fn resolutions_are_read_and_nonsense_is_refused() {
        assert_eq!(resolution("1920x1080"), Ok((1920, 1080)));
        for bad in ["", "1920", "1920x", "x1080", "0x10", "-1x5", "99999x1"] {
            assert!(resolution(bad).is_err(), "{bad}");
        }
    }
}
