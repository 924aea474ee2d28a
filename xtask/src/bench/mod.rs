//! `cargo xtask bench`: figures of the running whole, each beside a bare baseline of the same machine in the same minute.
//!
//! One file for each bench; [`table`] prints, [`room`] brings people into a stack, [`data`] fills it, [`machine`] says what the
//! machine was like meanwhile. What the figures mean stands in `docs/performance.md`.

mod bare;
mod data;
mod deliver;
mod history;
pub(crate) mod machine;
mod memory;
mod page;
mod post;
mod room;
mod search;
mod start;
mod streams;
mod table;

use std::process::ExitCode;

use crate::cli::{BenchName, BenchOptions};
use crate::paths;

/// Runs against the surrounding stack, or starts a fresh one of release builds, one process per service, and runs inside it.
pub(crate) async fn run(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    if std::env::var_os("AJET_RUN_DIR").is_none() {
        return inside_a_stack(options).await;
    }
    let names = match options.name {
        BenchName::All => &BenchName::EACH[..],
        ref name => std::slice::from_ref(name),
    };
    for name in names {
        table::heading(*name, &machine::state().await?);
        match name {
            BenchName::Post => post::run().await?,
            BenchName::Deliver => deliver::run().await?,
            BenchName::History => history::run(options.messages).await?,
            BenchName::Search => search::run(options.messages).await?,
            BenchName::Page => page::run().await?,
            BenchName::Memory => memory::run().await?,
            BenchName::Streams => streams::run(options.streams.into()).await?,
            BenchName::Start => start::run().await?,
            BenchName::All => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn inside_a_stack(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    let xtask = paths::bin_dir()?.join("xtask");
    let status = tokio::process::Command::new(&xtask)
        .args(["with-stack", "--release", "--separate", "--"])
        // The stack's own xtask, a release build as well: the clients must not be what is slow.
        .args([
            "/bin/sh",
            "-c",
            r#"exec "$AJET_BIN_DIR/xtask" bench "$0" --messages "$1" --streams "$2""#,
            options.name.as_str(),
        ])
        .args([options.messages.to_string(), options.streams.to_string()])
        .status()
        .await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
