//! An S3 server inside this process, over a folder.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The one bucket.
pub(crate) const BUCKET: &str = "ajet";
/// The region that every client must name.
pub(crate) const REGION: &str = "us-east-1";

/// A running server.
#[derive(Debug)]
pub(crate) struct S3 {
    /// Where it listens.
    pub(crate) url: String,
    /// Key of its one user.
    pub(crate) access_key: String,
    /// Secret of its one user.
    pub(crate) secret_key: String,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl S3 {
    /// Starts a server over `folder` with an empty or the present bucket.
    pub(crate) async fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        // A bucket is a folder.
        fs::create_dir_all(folder.join(BUCKET))?;
        let access_key = "ajet".to_owned();
        let secret_key = crate::secrets::random();
        let files = FileSystem::new(folder).map_err(|error| {
            anyhow::anyhow!("the S3 server cannot use {}: {error:?}", folder.display())
        })?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(access_key.as_str(), secret_key.as_str()));
        let service = builder.build();
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("the S3 server's port")?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(serve(listener, service, stop.clone(), tasks.clone()));
        Ok(Self { url: format!("http://127.0.0.1:{port}"), access_key, secret_key, stop, tasks })
    }

    /// Stops it; requests under way are cut off.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn serve(
    listener: TcpListener,
    service: S3Service,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((socket, _)) = accepted else {
            // Out of file handles, most likely: let others finish.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        // Without it small answers wait tens of milliseconds for an acknowledgement.
        drop(socket.set_nodelay(true));
        let (service, stop) = (service.clone(), stop.clone());
        tasks.spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            let connection = http.serve_connection(TokioIo::new(socket), service);
            if let Some(Err(error)) = stop.run_until_cancelled(connection).await {
                tracing::debug!(%error, "S3 connection");
            }
        });
    }
}
