//! Layers of settings: defaults, TOML file, environment, flags. The only place that reads the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::settings::{SETTINGS, Setting};
use super::{
    BlobsConfig, BusConfig, Config, DatabaseConfig, LimitsConfig, LivenessConfig, LogConfig, Secret,
    ServerConfig, SimulationConfig,
};
use etcetera::base_strategy::BaseStrategy;

/// What the command line says; it wins over everything.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Data folder.
    pub data: Option<PathBuf>,
    /// TOML file; `pictor.toml` in the data folder unless said.
    pub config: Option<PathBuf>,
    /// `key`, value.
    pub values: Vec<(&'static str, String)>,
}

/// Settings with where each came from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Key → origin, for every setting.
    pub origins: BTreeMap<&'static str, String>,
}

/// Everything that is wrong with the settings, at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings are not right:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}", problem.trim_end()))
    }
}

impl std::error::Error for Problems {}

/// A value as it was found.
struct Found {
    key: String,
    text: String,
    origin: String,
}

/// So many heartbeats may be missed before a lease is lost, whatever the other times are: as with *stale*,
/// which is never said of a worker that missed fewer.
const HEARTBEATS_OF_A_LEASE: u64 = 3;
/// What names of settings begin with in the environment.
const ENVIRONMENT: &str = "PICTOR__";
/// Variables of the providers' own tools: where blobs lie and who may read them.
const OF_STORAGES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Reads all layers.
///
/// # Errors
/// Every unknown key (with the nearest one that exists) and every value that is not allowed, together.
pub fn load(flags: &Flags) -> Result<Loaded, Problems> {
    let environment: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(ENVIRONMENT) || is_of_storage(name))
        .collect();
    load_from(flags, &environment)
}

fn load_from(flags: &Flags, environment: &[(String, String)]) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let data_dir = data_folder(flags, environment).map_err(|problem| Problems(vec![problem]))?;
    let mut config = defaults(data_dir);
    config.blobs.environment = environment
        .iter()
        .filter(|(name, _)| is_of_storage(name))
        .map(|(name, value)| (name.clone(), Secret::new(value)))
        .collect();
    let mut origins: BTreeMap<_, _> =
        SETTINGS.iter().map(|setting| (setting.key, "default".to_owned())).collect();
    let mut found = in_file(flags, &config.data_dir).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    found.extend(in_environment(environment));
    found.extend(flags.values.iter().map(|(key, text)| Found {
        key: (*key).to_owned(),
        text: text.clone(),
        origin: "command line".into(),
    }));
    for Found { key, text, origin } in found {
        match SETTINGS.iter().find(|setting| setting.key == key) {
            Some(setting) => match (setting.set)(&mut config, &text) {
                Ok(()) => drop(origins.insert(setting.key, origin)),
                Err(wish) => problems.push(refused(setting, &text, &origin, &wish)),
            },
            None => {
                let nearest = nearest(&key);
                let meant = if origin.starts_with("environment") {
                    in_environment_style(nearest)
                } else {
                    nearest.into()
                };
                problems.push(format!("{key} ({origin}): there is no such setting; did you mean {meant}?"));
            }
        }
    }
    if origins["server.secure_cookies"] == "default" {
        let public = config.server.public_url.as_ref();
        config.server.secure_cookies = public.is_some_and(|url| url.scheme() == "https");
    }
    // Beside a value that was refused stands its default, which nobody asked for.
    if !problems.iter().any(|problem| problem.starts_with("liveness.")) {
        problems.extend(contradictions(&config, &origins));
    }
    if problems.is_empty() { Ok(Loaded { config, origins }) } else { Err(Problems(problems)) }
}

fn refused(setting: &Setting, text: &str, origin: &str, wish: &str) -> String {
    let shown = if setting.is_secret { "•••" } else { text };
    format!("{} = {shown} ({origin}): {wish}", setting.key)
}

/// What each value alone cannot tell: silences that mean more must be longer, and keys come in pairs.
fn contradictions(config: &Config, origins: &BTreeMap<&'static str, String>) -> Vec<String> {
    let LivenessConfig { heartbeat_ms, stale_after_ms, offline_after_ms, lease_ttl_ms, .. } = config.liveness;
    let heartbeat = ("liveness.heartbeat_ms", heartbeat_ms);
    let stale = ("liveness.stale_after_ms", stale_after_ms);
    let offline = ("liveness.offline_after_ms", offline_after_ms);
    let lease = ("liveness.lease_ttl_ms", lease_ttl_ms);
    let shown = |(key, value): (&str, u64)| format!("{key} = {value} ({})", origins[key]);
    let above = |more: (&'static str, u64), less: (&'static str, u64), why: &str| {
        (more.1 <= less.1).then(|| format!("{} must be above {}: {why}", shown(more), shown(less)))
    };
    let between = "else every worker is stale between two heartbeats";
    let order = "a worker is stale before it is offline";
    let kept = "a worker must not lose its leases before it is stale";
    let beats = HEARTBEATS_OF_A_LEASE * heartbeat_ms;
    let lost = (lease_ttl_ms > stale_after_ms && lease_ttl_ms <= beats).then(|| {
        let times = format!("{HEARTBEATS_OF_A_LEASE} times {}", shown(heartbeat));
        format!("{} must be above {times}: else a lost heartbeat or two cost a lease", shown(lease))
    });
    let blobs = &config.blobs;
    let keys = (blobs.access_key_id.is_some() != blobs.secret_access_key.is_some())
        .then(|| "blobs: give both access_key_id and secret_access_key, or neither".to_owned());
    let wrong = [above(stale, heartbeat, between), above(offline, stale, order), above(lease, stale, kept)];
    let alone = (config.bus.url.is_some() && config.database.is_one_process()).then(|| {
        let why = "a bus joins several replicas, and only PostgreSQL can be shared by them";
        format!("bus.url ({}): {why}: give database.url = postgres://…, or no bus", origins["bus.url"])
    });
    wrong.into_iter().chain([lost, alone, keys]).flatten().collect()
}

fn is_of_storage(name: &str) -> bool {
    OF_STORAGES.iter().any(|start| name.starts_with(start))
}

fn defaults(data_dir: PathBuf) -> Config {
    Config {
        server: ServerConfig::default(),
        database: DatabaseConfig::in_folder(&data_dir),
        bus: BusConfig::default(),
        blobs: BlobsConfig::in_folder(&data_dir),
        data_dir,
        liveness: LivenessConfig::default(),
        limits: LimitsConfig::default(),
        simulation: SimulationConfig::default(),
        log: LogConfig::default(),
    }
}

fn data_folder(flags: &Flags, environment: &[(String, String)]) -> Result<PathBuf, String> {
    let named = environment.iter().find(|(name, _)| name == "PICTOR__DATA").map(|(_, folder)| folder.into());
    let folder = match flags.data.clone().or(named) {
        Some(folder) => folder,
        None => etcetera::base_strategy::choose_native_strategy()
            .map(|places| places.data_dir().join("pictor-cloud"))
            .map_err(|_| "no home folder: say --data FOLDER")?,
    };
    std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn in_file(flags: &Flags, data_dir: &Path) -> Result<Vec<Found>, String> {
    let path = flags.config.clone().unwrap_or_else(|| data_dir.join("pictor.toml"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && flags.config.is_none() => {
            return Ok(vec![]);
        }
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let table: toml::Table = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found = Vec::new();
    for (section, value) in table {
        let origin = path.display().to_string();
        match value {
            toml::Value::Table(keys) => found.extend(keys.into_iter().map(|(key, value)| Found {
                key: format!("{section}.{key}"),
                text: as_text(&value),
                origin: origin.clone(),
            })),
            other => found.push(Found { key: section, text: as_text(&other), origin }),
        }
    }
    Ok(found)
}

/// A list is written with commas, as in the environment.
fn as_text(value: &toml::Value) -> String {
    match (value.as_str(), value.as_array()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(list)) => list.iter().map(as_text).collect::<Vec<_>>().join(","),
        (None, None) => value.to_string(),
    }
}

fn in_environment(environment: &[(String, String)]) -> Vec<Found> {
    environment
        .iter()
        .filter(|(name, _)| name != "PICTOR__DATA" && name.starts_with(ENVIRONMENT))
        .map(|(name, text)| Found {
            key: name.trim_start_matches(ENVIRONMENT).to_lowercase().replace("__", "."),
            text: text.clone(),
            origin: format!("environment {name}"),
        })
        .collect()
}

/// The existing key that differs least, by edit distance.
fn nearest(key: &str) -> &'static str {
    SETTINGS.iter().map(|setting| setting.key).min_by_key(|known| distance(key, known)).unwrap_or_default()
}

fn in_environment_style(key: &str) -> String {
    format!("{ENVIRONMENT}{}", key.to_uppercase().replace('.', "__"))
}

/// Levenshtein's distance, one row at a time.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, wanted) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn later_layers_win_and_each_value_knows_where_it_came_from() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("pictor.toml"),
            "[log]\nlevel = \"warn\"\n[limits]\nworker_links_max = 5\n",
        )
        .unwrap();
        let flags = Flags {
            data: Some(folder.path().into()),
            config: None,
            values: vec![("server.listen", "127.0.0.1:1".into())],
        };
        let loaded = load_from(&flags, &environment(&[("PICTOR__LOG__LEVEL", "debug")])).unwrap();
        assert_eq!(loaded.config.log.level, "debug");
        assert_eq!(loaded.config.limits.worker_links_max, 5);
        assert_eq!(loaded.origins["log.level"], "environment PICTOR__LOG__LEVEL");
        assert_eq!(loaded.origins["server.listen"], "command line");
        assert_eq!(loaded.origins["log.format"], "default");
    }

    #[test]
    fn all_problems_come_at_once_with_the_nearest_name_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data: Some(folder.path().into()), ..Flags::default() };
        let wrong = environment(&[
            ("PICTOR__SERVER__LISTN", "x"),
            ("PICTOR__DATABASE__URL", "mysql://secret"),
            ("PICTOR__LIVENESS__HEARTBEAT_MS", "-5"),
        ]);
        let words = load_from(&flags, &wrong).unwrap_err().to_string();
        assert!(words.contains("did you mean PICTOR__SERVER__LISTEN?"), "{words}");
        assert!(words.contains("database.url") && !words.contains("secret"), "{words}");
        assert!(words.contains("100 to 300000"), "{words}");
    }

    #[test]
    fn silences_that_mean_more_must_be_longer() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data: Some(folder.path().into()), ..Flags::default() };
        let words = |values: &[(&str, &str)]| match load_from(&flags, &environment(values)) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        };
        let name = |key: &str| format!("PICTOR__LIVENESS__{key}");
        for (key, value, wanted) in [
            ("HEARTBEAT_MS", "15000", "stale_after_ms = 15000 (default) must be above liveness.heartbeat_ms"),
            (
                "OFFLINE_AFTER_MS",
                "15000",
                "must be above liveness.stale_after_ms = 15000 (default): a worker",
            ),
            ("LEASE_TTL_MS", "15000", "lease_ttl_ms = 15000 (environment PICTOR__LIVENESS__LEASE_TTL_MS)"),
            ("LEASE_TTL_MS", "2000", "must be above liveness.stale_after_ms = 15000 (default)"),
        ] {
            let words = words(&[(&name(key), value)]);
            assert!(words.contains(wanted) && words.lines().count() == 2, "{key} = {value}: {words}");
        }
        let (beat, lease) = (name("HEARTBEAT_MS"), name("LEASE_TTL_MS"));
        let seldom = words(&[(&beat, "10000"), (&lease, "30000")]);
        assert!(seldom.contains("must be above 3 times liveness.heartbeat_ms = 10000"), "{seldom}");
        assert_eq!(words(&[(&beat, "10000"), (&lease, "30001")]), "");
        let refused = words(&[(&beat, "often"), (&name("STALE_AFTER_MS"), "5000")]);
        assert!(!refused.contains("must be above"), "its default is not compared: {refused}");
    }

    #[test]
    fn a_misspelt_key_or_value_in_the_file_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pictor.toml");
        let flags = Flags { data: Some(folder.path().into()), ..Flags::default() };
        for (text, wanted) in [
            ("[log]\nlevle = \"info\"", "did you mean log.level?"),
            ("[lgo]\nlevel = \"info\"", "did you mean log.level?"),
            ("[log]\nlevel = \"verbose\"", "give error, warn, info"),
            ("[log]\nlevel = \"info,pictor_cloud=loud\"", "give error, warn, info"),
            ("[log]\nlevel = \"\"", "give error, warn, info"),
            ("[log]\nformat = \"xml\"", "give text or json"),
            ("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]", "\"proxy\" is neither an address"),
            ("[server]\nlisten = 7420", "give address and port"),
            ("[server.tls]\non = true", "there is no such setting"),
            ("listen", "pictor.toml"),
        ] {
            std::fs::write(&file, text).unwrap();
            let words = load_from(&flags, &[]).unwrap_err().to_string();
            assert!(words.contains(wanted) && words.contains("pictor.toml"), "{text}: {words}");
        }
        std::fs::write(&file, "[log]\nlevel = \"warn,pictor_cloud=DEBUG,sqlx=off\"").unwrap();
        assert!(load_from(&flags, &[]).is_ok());
    }

    #[test]
    fn proxies_are_listed_in_the_file_or_in_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data: Some(folder.path().into()), ..Flags::default() };
        let listed = |found: &Loaded| {
            found.config.server.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(listed(&load_from(&flags, &[]).unwrap()).is_empty());
        let file = "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n";
        std::fs::write(folder.path().join("pictor.toml"), file).unwrap();
        assert_eq!(listed(&load_from(&flags, &[]).unwrap()), ["10.0.0.0/8", "::1/128"]);
        let one = environment(&[("PICTOR__SERVER__TRUSTED_PROXIES", "127.0.0.1, 192.168.0.0/16")]);
        assert_eq!(listed(&load_from(&flags, &one).unwrap()), ["127.0.0.1/32", "192.168.0.0/16"]);
        let none = environment(&[("PICTOR__SERVER__TRUSTED_PROXIES", "")]);
        assert!(listed(&load_from(&flags, &none).unwrap()).is_empty());
    }

    #[test]
    fn a_bus_needs_a_database_that_can_be_shared() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data: Some(folder.path().into()), ..Flags::default() };
        let bus = ("PICTOR__BUS__URL", "nats://me:secret@127.0.0.1:4222");
        let words = load_from(&flags, &environment(&[bus])).unwrap_err().to_string();
        assert!(
            words.contains("bus.url") && words.contains("PostgreSQL") && !words.contains("secret"),
            "{words}"
        );
        let shared = ("PICTOR__DATABASE__URL", "postgres://db/farm");
        assert!(load_from(&flags, &environment(&[bus, shared])).unwrap().config.bus.url.is_some());
        let wrong = load_from(&flags, &environment(&[("PICTOR__BUS__URL", "http://x"), shared])).unwrap_err();
        assert!(wrong.to_string().contains("nats://"), "{wrong}");
    }

    #[test]
    fn a_storage_is_named_by_its_kind_and_its_keys_come_from_settings_or_the_usual_variables() {
        let folder = tempfile::tempdir().unwrap();
        let flags = |pairs: &[(&'static str, &str)]| Flags {
            data: Some(folder.path().into()),
            config: None,
            values: pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
        };
        let usual = environment(&[("AWS_ACCESS_KEY_ID", "key"), ("AZURE_X", "y"), ("AWSOME", "no")]);
        let loaded = load_from(&flags(&[("blobs.url", "s3://bucket/farm")]), &usual).unwrap();
        let names: Vec<_> = loaded.config.blobs.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["AWS_ACCESS_KEY_ID", "AZURE_X"]);
        assert_eq!(loaded.config.blobs.url.as_ref().map(url::Url::as_str), Some("s3://bucket/farm"));
        for (key, value, wanted) in [
            ("blobs.url", "ftp://bucket", "s3://bucket/prefix"),
            ("blobs.url", "s3://me:secret@bucket", "s3://bucket/prefix"),
            ("blobs.url", "s3:///prefix", "s3://bucket/prefix"),
            ("blobs.endpoint", "storage:9000", "http:// or https://"),
            ("blobs.access_key_id", "AKIA", "give both"),
            ("blobs.signed_for_ms", "10", "1000 to 604800000"),
        ] {
            let words = load_from(&flags(&[(key, value)]), &[]).unwrap_err().to_string();
            assert!(words.contains(wanted), "{key} = {value}: {words}");
        }
        assert!(load_from(&flags(&[("blobs.url", "")]), &[]).unwrap().config.blobs.url.is_none());
    }

    #[test]
    fn cookies_are_for_https_only_where_the_public_address_is() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data: Some(folder.path().into()), ..Flags::default() };
        let public = ("PICTOR__SERVER__PUBLIC_URL", "https://farm.example.org/");
        assert!(!load_from(&flags, &[]).unwrap().config.server.secure_cookies);
        assert!(load_from(&flags, &environment(&[public])).unwrap().config.server.secure_cookies);
        let off = ("PICTOR__SERVER__SECURE_COOKIES", "false");
        assert!(!load_from(&flags, &environment(&[public, off])).unwrap().config.server.secure_cookies);
    }
}
