//! The object store: files of messages in one S3 bucket (requirements D2).
//!
//! Works with every S3-compatible server: addresses by path, static credentials, no checksums beyond what the server demands.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http_body_util::StreamBody;

use crate::id::{ChannelId, CommunityId, MessageId};
use crate::secret::Secret;

/// A store that does not answer within this time is down; leaves room for the 503 within 3 s of delivery-and-security.md section 2.7.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(2_500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of a file name in a key, before its extension; far below what any store or file system takes.
const FILENAME_MAX_BYTES: usize = 120;

/// Where the bucket is and who we are there.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// Address of the server.
    pub url: String,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Who.
    pub access_key: String,
    /// And the proof.
    pub secret_key: Secret,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// The store is away, or refuses us; it may work later.
    #[error("object store: {0}")]
    Unavailable(String),
}

/// An object that is being read.
pub struct Object {
    /// Its size.
    pub size_bytes: Option<u64>,
    /// Its bytes as they come.
    pub bytes: BoxStream<'static, Result<Bytes, StorageError>>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

/// The bucket. Cheap to clone; connects when it is first used.
#[derive(Clone, Debug)]
pub struct Storage {
    client: Client,
    bucket: String,
}

impl Storage {
    /// A client for the bucket; asks nobody yet.
    #[must_use]
    pub fn new(config: &StorageConfig) -> Self {
        let credentials =
            Credentials::new(&config.access_key, config.secret_key.expose(), None, None, "ajet");
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ANSWER_TIMEOUT)
            .build();
        let settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&config.url)
            .region(Region::new(config.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(2)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(settings), bucket: config.bucket.clone() }
    }

    /// Makes the bucket if it is not there.
    pub async fn ensure_bucket(&self) -> Result<(), StorageError> {
        if self.check().await.is_ok() {
            return Ok(());
        }
        match within(self.client.create_bucket().bucket(&self.bucket).send()).await {
            Ok(_) => Ok(()),
            // Somebody else was faster, or it was there and we may only look inside it.
            Err(error) if error.taken() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks whether the bucket is there.
    pub async fn check(&self) -> Result<(), StorageError> {
        within(self.client.head_bucket().bucket(&self.bucket).send()).await?;
        Ok(())
    }

    /// Writes an object that is in memory.
    pub async fn put(
        &self,
        key: &str,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<(), StorageError> {
        let request =
            self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        request
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| StorageError::from(Failure::from(error)))?;
        Ok(())
    }

    /// Writes an object as its bytes come in; `size_bytes` of them, no more and no less.
    pub async fn put_stream<S, E>(
        &self,
        key: &str,
        content_type: &str,
        size_bytes: u64,
        bytes: S,
    ) -> Result<(), StorageError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Sync + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let body = StreamBody::new(bytes.map(|chunk| chunk.map(hyper::body::Frame::data)));
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .content_length(i64::try_from(size_bytes).unwrap_or(i64::MAX))
            .body(ByteStream::new(SdkBody::from_body_1_x(body)))
            .send()
            .await
            .map_err(|error| StorageError::from(Failure::from(error)))?;
        Ok(())
    }

    /// Opens an object for reading.
    pub async fn get(&self, key: &str) -> Result<Object, StorageError> {
        let answer = within(self.client.get_object().bucket(&self.bucket).key(key).send()).await?;
        let size_bytes = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let bytes = futures::stream::unfold(answer.body, |mut body| async move {
            let chunk = body.next().await?;
            Some((chunk.map_err(|error| StorageError::Unavailable(error.to_string())), body))
        });
        Ok(Object { size_bytes, bytes: bytes.boxed() })
    }

    /// Removes an object; one that is not there is removed already.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match within(self.client.delete_object().bucket(&self.bucket).key(key).send()).await {
            Ok(_) => Ok(()),
            Err(error) => match error.into() {
                StorageError::NotFound => Ok(()),
                error @ StorageError::Unavailable(_) => Err(error),
            },
        }
    }
}

/// What the client says went wrong, without the type of the operation.
#[derive(Debug)]
struct Failure {
    status: Option<u16>,
    text: String,
}

impl Failure {
    fn taken(&self) -> bool {
        self.status == Some(409)
    }
}

impl<E: std::error::Error + 'static> From<SdkError<E>> for Failure {
    fn from(error: SdkError<E>) -> Self {
        Self {
            status: error.raw_response().map(|response| response.status().as_u16()),
            text: DisplayErrorContext(error).to_string(),
        }
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        if failure.status == Some(404) { Self::NotFound } else { Self::Unavailable(failure.text) }
    }
}

async fn within<T, E: std::error::Error + 'static>(
    request: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(ANSWER_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => {
            Err(Failure { status: None, text: format!("no answer within {ANSWER_TIMEOUT:?}") })
        }
    }
}

/// The key of a file: `<community or dm>/<channel>/<message>/<filename>`, the name made safe and unlike the `taken` ones of that message.
#[must_use]
pub fn storage_key(
    community_id: Option<CommunityId>,
    channel_id: ChannelId,
    message_id: MessageId,
    filename: &str,
    taken: &[String],
) -> String {
    let community = community_id.map_or_else(|| "dm".to_owned(), |id| id.to_string());
    let folder = format!("{community}/{channel_id}/{message_id}");
    let safe = safe_filename(filename);
    let (stem, extension) = split_extension(&safe);
    let names =
        std::iter::once(safe.clone()).chain((2_u32..).map(|n| format!("{stem}-{n}{extension}")));
    let mut keys = names.map(|name| format!("{folder}/{name}"));
    // The names never end, so there is always one that is free.
    keys.find(|key| !taken.contains(key)).unwrap_or(folder)
}

/// A file name of plain ASCII letters, digits, `.`, `-` and `_` that does not begin with a dot. Folders before it are dropped.
fn safe_filename(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut safe = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        if c != '_' || !safe.ends_with('_') {
            safe.push(c);
        }
    }
    let (stem, extension) = split_extension(&safe);
    let stem = stem.trim_start_matches(['.', '_']).trim_end_matches('.');
    let stem = if stem.is_empty() { "file" } else { stem };
    format!("{}{extension}", &stem[..stem.len().min(FILENAME_MAX_BYTES)])
}

/// `notes.tar.gz` is `notes.tar` and `.gz`; what is not a short word is no extension.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot)
            if dot > 0
                && dot + 1 < name.len()
                && name.len() - dot <= 16
                && name[dot + 1..].bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            name.split_at(dot)
        }
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_made_safe() {
        for (given, safe) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("Übersicht (final).PNG", "bersicht_final_.PNG"),
            ("…", "file"),
            (".htaccess", "htaccess"),
            ("a\0b\r\nc.txt", "a_b_c.txt"),
            ("日本.png", "file.png"),
        ] {
            assert_eq!(safe_filename(given), safe, "{given:?}");
        }
        assert_eq!(
            safe_filename(&format!("{}.jpeg", "x".repeat(500))).len(),
            FILENAME_MAX_BYTES + 5
        );
    }

    #[test]
    fn equal_names_in_one_message_get_different_keys() {
        let (channel, message) = (ChannelId::new(), MessageId::new());
        let first = storage_key(None, channel, message, "a.png", &[]);
        assert_eq!(first, format!("dm/{channel}/{message}/a.png"));
        let second = storage_key(None, channel, message, "a.png", std::slice::from_ref(&first));
        assert_eq!(second, format!("dm/{channel}/{message}/a-2.png"));
    }
}
