//! The clients of the three kinds of storage, made of settings and of the variables that each kind's own
//! tools read. Everything after this is the same for all.

use std::io;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as ObjectPath;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use pictor_actors::units::Millis;
use url::Url;

use crate::blobs::BlobError;
use crate::config::{BlobsConfig, Secret};

/// A request is tried again so often and so long: whoever waits for it is told to come again before a proxy
/// gives up on him.
const TRIES_MAX: usize = 4;
const TRIES_WITHIN: Millis = Millis::from_secs(20);
/// Between two pieces of a body.
const SILENCE_MAX: Millis = Millis::from_secs(30);
const CONNECT_MAX: Millis = Millis::from_secs(5);
/// A storage is silent while it copies, and S3 copies 5 GiB at a time at most: this is far from both bounds.
const COPIED_MAX: u64 = 512 * 1024 * 1024;

/// How a bucket is spoken with.
pub(super) struct Clients {
    pub store: Arc<dyn ObjectStore>,
    /// The same bucket as clients reach it.
    pub signer: Arc<dyn Signer>,
    pub prefix: ObjectPath,
    /// What a `PUT` to a signed address must carry.
    pub put_headers: Vec<(&'static str, &'static str)>,
    /// Bytes of the largest object that the storage is asked to copy.
    pub copied_max: u64,
}

pub(super) fn open(url: &Url, config: &BlobsConfig) -> Result<Clients, BlobError> {
    // One that is there already is the same one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let prefix = ObjectPath::from_url_path(url.path()).map_err(bad)?;
    let bucket = url.host_str().unwrap_or_default();
    let public = config.public_endpoint.as_ref().or(config.endpoint.as_ref());
    let (own, public) = (config.endpoint.as_ref(), public);
    let put_headers = Vec::new();
    Ok(match url.scheme() {
        "s3" => {
            let (store, signer) = (s3(bucket, config, own)?, s3(bucket, config, public)?);
            Clients { store, signer, prefix, put_headers, copied_max: COPIED_MAX }
        }
        "gs" => {
            let (store, signer) = (google(bucket, config, own)?, google(bucket, config, public)?);
            Clients { store, signer, prefix, put_headers, copied_max: COPIED_MAX }
        }
        _ => {
            let (store, signer) = (azure(bucket, config, own)?, azure(bucket, config, public)?);
            let put_headers = vec![("x-ms-blob-type", "BlockBlob")];
            // It may answer before it has copied, and shows the whole size in between.
            Clients { store, signer, prefix, put_headers, copied_max: 0 }
        }
    })
}

fn s3(
    bucket: &str,
    config: &BlobsConfig,
    endpoint: Option<&Url>,
) -> Result<Arc<object_store::aws::AmazonS3>, BlobError> {
    let begun = AmazonS3Builder::new().with_client_options(options()).with_retry(retries());
    let mut builder = usual(config, "AWS_", begun, |builder, name, value| match name.parse() {
        Ok(key) => builder.with_config(key, value),
        Err(_) => builder,
    });
    builder = builder.with_bucket_name(bucket);
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
        builder = builder.with_access_key_id(id.expose()).with_secret_access_key(secret.expose());
    }
    let is_plain = builder
        .get_config_value(&AmazonS3ConfigKey::Endpoint)
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    Ok(Arc::new(builder.with_allow_http(is_plain).build().map_err(bad)?))
}

fn google(
    bucket: &str,
    config: &BlobsConfig,
    endpoint: Option<&Url>,
) -> Result<Arc<object_store::gcp::GoogleCloudStorage>, BlobError> {
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.scheme() == "http");
    let begun = GoogleCloudStorageBuilder::new()
        .with_client_options(options().with_allow_http(is_plain))
        .with_retry(retries());
    let mut builder = usual(config, "GOOGLE_", begun, |builder, name, value| match name.parse() {
        Ok(key) => builder.with_config(key, value),
        Err(_) => builder,
    });
    if let Some(endpoint) = endpoint {
        builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    Ok(Arc::new(builder.with_bucket_name(bucket).build().map_err(bad)?))
}

fn azure(
    bucket: &str,
    config: &BlobsConfig,
    endpoint: Option<&Url>,
) -> Result<Arc<object_store::azure::MicrosoftAzure>, BlobError> {
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.scheme() == "http");
    let begun = MicrosoftAzureBuilder::new().with_client_options(options()).with_retry(retries());
    let mut builder = usual(config, "AZURE_", begun, |builder, name, value| match name.parse() {
        Ok(key) => builder.with_config(key, value),
        Err(_) => builder,
    });
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
    }
    if let (Some(account), Some(key)) = (&config.access_key_id, &config.secret_access_key) {
        builder = builder.with_account(account.expose()).with_access_key(key.expose());
    }
    let builder = builder.with_container_name(bucket).with_allow_http(is_plain);
    Ok(Arc::new(builder.build().map_err(bad)?))
}

/// With the variables that tools of that kind read; those it does not know are somebody else's.
fn usual<B>(config: &BlobsConfig, start: &str, begun: B, set: impl Fn(B, &str, String) -> B) -> B {
    let own = config.environment.iter().filter(|(name, _)| name.starts_with(start));
    own.fold(begun, |builder, (name, value): &(String, Secret)| {
        set(builder, &name.to_ascii_lowercase(), value.expose().to_owned())
    })
}

/// No limit on a whole request: a large blob takes as long as it moves.
fn options() -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_read_timeout(SILENCE_MAX.to_duration())
        .with_connect_timeout(CONNECT_MAX.to_duration())
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            max_backoff: Millis::from_secs(4).to_duration(),
            ..BackoffConfig::default()
        },
        max_retries: TRIES_MAX,
        retry_timeout: TRIES_WITHIN.to_duration(),
    }
}

fn bad(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BlobError {
    BlobError::Away(io::Error::other(error))
}
