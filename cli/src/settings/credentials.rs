//! `credentials.toml`: the tokens, in a file that only its owner may read.

use std::path::{Path, PathBuf};

use ajet_shared::secret::Secret;

use super::{Document, Server, write_private};
use crate::error::{CliError, CliResult};

/// One saved sign-in.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) server: Server,
    pub(crate) token: Secret,
}

/// All saved sign-ins by profile.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    path: PathBuf,
    document: Document,
    sign_ins: Vec<(String, SignIn)>,
}

impl Credentials {
    /// Reads the file; refuses one that others may read.
    pub(crate) fn load(path: &Path) -> CliResult<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), ..Self::default() });
            }
            Err(error) => {
                return Err(CliError::failed(format!("Cannot read {}: {error}.", path.display())));
            }
        };
        check_private(path)?;
        let credentials = Self::parse(&text)
            .map_err(|error| CliError::failed(format!("{}, {error}.", path.display())))?;
        Ok(Self { path: path.to_owned(), ..credentials })
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document = Document::parse(text)?;
        let mut sign_ins = Vec::new();
        for name in document.sections("profile.") {
            let section = format!("profile.{name}");
            let server =
                document.get(&section, "server").and_then(|server| Server::parse(server).ok());
            if let (Some(server), Some(token)) = (server, document.get(&section, "token")) {
                sign_ins.push((
                    name.to_owned(),
                    SignIn { server, token: Secret::from(token.to_owned()) },
                ));
            }
        }
        Ok(Self { path: PathBuf::new(), document, sign_ins })
    }

    pub(crate) fn get(&self, profile: &str) -> Option<&SignIn> {
        self.sign_ins.iter().find(|(name, _)| name == profile).map(|(_, sign_in)| sign_in)
    }

    pub(crate) fn server(&self, profile: &str) -> Option<Server> {
        self.get(profile).map(|sign_in| sign_in.server.clone())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.sign_ins.iter().map(|(name, _)| name.as_str())
    }

    /// Saves a sign-in under a profile.
    pub(crate) fn insert(&mut self, profile: &str, sign_in: SignIn) -> CliResult {
        let section = format!("profile.{profile}");
        self.document.set(&section, "server", &sign_in.server.to_string());
        self.document.set(&section, "token", sign_in.token.expose());
        self.sign_ins.retain(|(name, _)| name != profile);
        self.sign_ins.push((profile.to_owned(), sign_in));
        write_private(&self.path, &self.document.to_text())
    }

    /// Forgets a sign-in.
    pub(crate) fn remove(&mut self, profile: &str) -> CliResult {
        self.document.remove_section(&format!("profile.{profile}"));
        self.sign_ins.retain(|(name, _)| name != profile);
        write_private(&self.path, &self.document.to_text())
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> CliResult {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
    // No bit of the group or of others.
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "Others may read {}, which holds your sign-ins. Nothing was sent.",
        path.display()
    ))
    .hint(format!("chmod 600 {}", path.display())))
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> CliResult {
    Ok(())
}
