//! `cargo xtask assets`: the browser's static files, as the build prepares them.
//!
//! The build script of `web-sm` fetches the Datastar bundle and checks it by its SHA-256; that is the only place which
//! knows how. This command lets it do its work, says how large each file is on its way to a browser, and keeps a copy
//! of the bundle for builds without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::process::Command;

use crate::paths;
use crate::ui::{self, Step};

/// What a first view of a page loads (decisions.md 31 counts them, compressed, with the HTML).
const FILES: [&str; 4] = ["app.css", "app.js", "icons.svg", "datastar.js"];

/// Prepares, checks and lists them.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let step = Step::announced("assets", "letting the build of web-sm fetch and check them");
    let folder = prepared().await?;
    step.done("fetched, the SHA-256 fits");
    let mut sum = 0;
    for file in FILES {
        let path = folder.join(file);
        let bytes =
            fs::metadata(&path).with_context(|| format!("the build has not made {file}"))?.len();
        let compressed = compressed(&path).await?;
        sum += compressed;
        println!("{file:<12} {bytes:>7} bytes, {compressed:>6} compressed");
    }
    println!("{:<12} {sum:>30} compressed", "in all");
    let kept = paths::tools().join("datastar.js");
    fs::create_dir_all(paths::tools())?;
    fs::copy(folder.join("datastar.js"), &kept)
        .with_context(|| format!("{} cannot be written", kept.display()))?;
    ui::note(format_args!("for builds without a network: AJET_DATASTAR_JS={}", kept.display()));
    Ok(ExitCode::SUCCESS)
}

/// The folder into which the build script of web-sm has written.
async fn prepared() -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        package_id: String,
        out_dir: Option<PathBuf>,
    }
    let output = Command::new(paths::cargo())
        .args(["check", "--workspace", "--bins", "--message-format", "json-render-diagnostics"])
        .current_dir(paths::root())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        bail!("the services do not build");
    }
    let messages = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok());
    let mut scripts = messages.filter(|message: &Message| {
        message.reason == "build-script-executed" && message.package_id.contains("/web-sm")
    });
    scripts.find_map(|message| message.out_dir).context("web-sm has no build script")
}

async fn compressed(file: &Path) -> anyhow::Result<usize> {
    let output =
        Command::new("gzip").arg("-9nc").arg(file).output().await.context("gzip does not start")?;
    Ok(output.stdout.len())
}
