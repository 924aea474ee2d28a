//! A NATS server of one test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::eventually;

/// A NATS server of one test's own.
pub(crate) struct Nats {
    process: Child,
    pub(crate) url: String,
    folder: tempfile::TempDir,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, url) = spawn(&folder, "-1").await;
        Self { process, url, folder }
    }

    /// The server dies without a word.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// What it has stored. Only whole while it does not run.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("jetstream")
    }

    /// Comes back at the same address with the same store.
    pub(crate) async fn restart(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        (self.process, _) = spawn(&self.folder, &port).await;
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies a folder and all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn spawn(folder: &tempfile::TempDir, port: &str) -> (Child, String) {
    let program = std::env::var_os("AJET_TEST_NATS_SERVER")
        .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let process = Command::new(program)
        .args(["-a", "127.0.0.1", "-p", port, "-js", "-sd"])
        .arg(folder.path())
        .arg("--ports_file_dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server; run the tests by `cargo xtask test integration`");
    let ports = folder.path().join(format!("nats-server_{}.ports", process.id()));
    let mut url = None;
    eventually("nats-server listens", async || {
        let ports: Option<Value> =
            std::fs::read(&ports).ok().and_then(|text| serde_json::from_slice(&text).ok());
        url = ports.and_then(|ports| ports["nats"][0].as_str().map(str::to_owned));
        url.is_some()
    })
    .await;
    (process, url.unwrap_or_default())
}
