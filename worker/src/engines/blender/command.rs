//! The one place that builds the command line of Blender or of a Python with `bpy`.
//!
//! What a scene may do is decided here: no start-up file, no scripts, an environment of our own, limits of
//! the system. The sandbox of the operating system goes around the command in [`command`], and nowhere else.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pictor_worker_domain::progress::verdict::PYTHON_FAILED;
use tokio::process::Command;

use crate::platform::{ProcessLimits, harden};

/// Python files of the driver, by name.
const DRIVER: &[(&str, &str)] = &[
    ("driver.py", include_str!("driver/driver.py")),
    ("common.py", include_str!("driver/common.py")),
    ("settings.py", include_str!("driver/settings.py")),
    ("devices.py", include_str!("driver/devices.py")),
    ("host.py", include_str!("driver/host.py")),
    ("assets.py", include_str!("driver/assets.py")),
];

/// Variables that are handed on: where the graphics driver and the display are.
const HANDED_ON: &[&str] = &[
    "LD_LIBRARY_PATH",
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "__EGL_VENDOR_LIBRARY_FILENAMES",
    "SYSTEMROOT",
    "WINDIR",
];

/// Name of the software entry that is a Python with the module `bpy` rather than a Blender program.
pub const BPY: &str = "bpy";

/// What to start, and around what.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Blender, or a Python interpreter.
    pub program: PathBuf,
    /// The program is a Python with `bpy`.
    pub is_module: bool,
    /// Folder of the session: home, temporary files, the driver.
    pub scratch_dir: PathBuf,
    /// Folder for compiled GPU kernels, which are kept.
    pub kernel_cache_dir: PathBuf,
    /// NVIDIA's id of the only GPU the program may see; nothing: none.
    pub gpu_uuid: Option<String>,
    /// Limits of the system.
    pub limits: ProcessLimits,
}

/// The command, ready to be started; writes the driver's files into the scratch folder.
///
/// # Errors
/// The driver's files cannot be written.
pub fn command(launch: &Launch) -> io::Result<Command> {
    let driver = write_driver(&launch.scratch_dir)?;
    let mut command = Command::new(&launch.program);
    command.args(arguments(launch.is_module, &driver));
    command.env_clear().envs(environment(launch));
    command.current_dir(&launch.scratch_dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    harden(&mut command, launch.limits);
    Ok(command)
}

fn arguments(is_module: bool, driver: &Path) -> Vec<OsString> {
    if is_module {
        // Isolated: neither the user's site folder nor Python's variables.
        return vec!["-I".into(), driver.into()];
    }
    let mut arguments: Vec<OsString> =
        ["--factory-startup", "--disable-autoexec", "--background", "-noaudio", "--python-exit-code"]
            .map(Into::into)
            .into();
    arguments.extend([PYTHON_FAILED.to_string().into(), "--python".into(), driver.into()]);
    arguments
}

fn environment(launch: &Launch) -> Vec<(&'static str, OsString)> {
    let mut variables: Vec<(&str, OsString)> =
        HANDED_ON.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value))).collect();
    let scratch = launch.scratch_dir.as_os_str();
    for name in ["HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
        variables.push((name, scratch.into()));
    }
    for name in ["XDG_CACHE_HOME", "CUDA_CACHE_PATH", "OPTIX_CACHE_PATH"] {
        variables.push((name, launch.kernel_cache_dir.clone().into()));
    }
    variables.push(("PATH", "/usr/local/bin:/usr/bin:/bin".into()));
    variables.push(("LANG", "C.UTF-8".into()));
    variables.push(("LC_ALL", "C.UTF-8".into()));
    variables.push(("CUDA_DEVICE_ORDER", "PCI_BUS_ID".into()));
    variables.push(("CUDA_VISIBLE_DEVICES", launch.gpu_uuid.clone().unwrap_or_default().into()));
    variables
}

fn write_driver(scratch_dir: &Path) -> io::Result<PathBuf> {
    let folder = scratch_dir.join("driver");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in DRIVER {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(folder.join("driver.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(dir: &Path, gpu_uuid: Option<&str>) -> Launch {
        Launch {
            program: "/opt/blender/blender".into(),
            is_module: false,
            scratch_dir: dir.into(),
            kernel_cache_dir: dir.join("kernels"),
            gpu_uuid: gpu_uuid.map(Into::into),
            limits: ProcessLimits::default(),
        }
    }

    #[test]
    fn scripts_are_off_and_nothing_of_our_environment_goes_along() {
        let dir = tempfile::tempdir().unwrap();
        let built = command(&launch(dir.path(), None)).unwrap();
        let arguments: Vec<_> = built.as_std().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        assert_eq!(arguments[..4], ["--factory-startup", "--disable-autoexec", "--background", "-noaudio"]);
        assert!(!arguments.iter().any(|argument| argument == "-y" || argument == "--enable-autoexec"));
        let names: Vec<_> = built.as_std().get_envs().map(|(name, _)| name.to_owned()).collect();
        assert!(names.iter().all(|name| name != "CARGO" && name != "USER"));
        assert!(names.iter().any(|name| name == "HOME"));
        assert!(dir.path().join("driver/assets.py").is_file());
    }

    #[test]
    fn only_the_slots_gpu_can_be_seen() {
        let dir = tempfile::tempdir().unwrap();
        let seen = |gpu| {
            let built = command(&launch(dir.path(), gpu)).unwrap();
            let value = built.as_std().get_envs().find(|(name, _)| *name == "CUDA_VISIBLE_DEVICES");
            value.and_then(|(_, value)| value.map(|v| v.to_string_lossy().into_owned()))
        };
        assert_eq!(seen(None).as_deref(), Some(""));
        assert_eq!(seen(Some("GPU-1234")).as_deref(), Some("GPU-1234"));
    }

    #[test]
    fn bpy_runs_isolated() {
        let dir = tempfile::tempdir().unwrap();
        let built = command(&Launch { is_module: true, ..launch(dir.path(), None) }).unwrap();
        assert_eq!(built.as_std().get_args().next().unwrap(), "-I");
    }
}
