//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The checkout.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Data of the development stack; ignored by git.
pub(crate) fn dev() -> PathBuf {
    root().join(".dev")
}

/// Description of the running development stack.
pub(crate) fn dev_stack() -> PathBuf {
    dev().join("stack.json")
}

/// The Playwright tests.
pub(crate) fn e2e() -> PathBuf {
    root().join("e2e")
}

/// Where fetched tools are kept, outside the checkout so that a fresh clone finds them again.
pub(crate) fn tools() -> PathBuf {
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home =
        || std::env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
    cache.or_else(home).map_or_else(|| dev().join("tools"), |cache| cache.join("ajet-chat/tools"))
}

/// Where our own binaries are: beside this one.
pub(crate) fn bin_dir() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the path of xtask itself")?;
    Ok(own.parent().context("xtask has no folder")?.to_owned())
}

/// `cargo`, the one that started us if there is one.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Finds a program in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// Whether this is a file that may be run.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
