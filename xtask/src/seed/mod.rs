//! The demo: one community with five people, six channels and two weeks of talk.
//!
//! It goes straight into the tables, as if it had always been there: no events, no audit. So it may only be written
//! into an empty database.

mod talk;
mod write;

use ajet_shared::secret::Secret;
use ajet_shared::storage::{Storage, StorageConfig};
use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

use crate::info::Info;
use crate::s3;

/// Address of the demo community.
const SLUG: &str = "saltmarsh";
/// What was said, in the form that [`talk`] reads.
const TALK: &str = include_str!("demo.talk");

/// A file that somebody has posted.
struct Upload {
    name: &'static str,
    content_type: &'static str,
    dimensions: Option<(i32, i32)>,
    bytes: &'static [u8],
}

const UPLOADS: [Upload; 2] = [
    Upload {
        name: "fanout-latency.png",
        content_type: "image/png",
        dimensions: Some((960, 540)),
        bytes: include_bytes!("fanout-latency.png"),
    },
    Upload {
        name: "load-run.csv",
        content_type: "text/csv",
        dimensions: None,
        bytes: include_bytes!("load-run.csv"),
    },
];

/// Writes the demo into an empty database and says how many messages it has, or does nothing in any other.
pub(crate) async fn demo(info: &Info) -> anyhow::Result<Option<usize>> {
    let mut connection = PgConnection::connect(&info.database_url).await?;
    let mut transaction = connection.begin().await?;
    let used: bool =
        sqlx::query_scalar("select exists (select from communities) or exists (select from users)")
            .fetch_one(&mut *transaction)
            .await?;
    if used {
        return Ok(None);
    }
    let now = time::OffsetDateTime::now_utc();
    let channels = talk::read(TALK, now).context("demo.talk")?;
    let files = write::everything(&mut transaction, &channels, now).await?;
    let storage = Storage::new(&StorageConfig {
        url: info.s3_url.clone(),
        region: s3::REGION.to_owned(),
        bucket: s3::BUCKET.to_owned(),
        access_key: info.s3_access_key.clone(),
        secret_key: Secret::from(info.s3_secret_key.clone()),
    });
    for (key, upload) in files {
        storage.put(&key, upload.content_type, upload.bytes.into()).await?;
    }
    // Last, so that an interrupted start seeds again.
    transaction.commit().await?;
    connection.close().await?;
    Ok(Some(channels.iter().map(|channel| channel.messages.len()).sum()))
}

/// Whether the database holds the demo, from now or from earlier.
pub(crate) async fn is_demo(info: &Info) -> anyhow::Result<bool> {
    let mut connection = PgConnection::connect(&info.database_url).await?;
    let found = sqlx::query_scalar("select exists (select from communities where slug = $1)")
        .bind(SLUG)
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(found)
}
