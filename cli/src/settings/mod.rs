//! Settings and sign-ins: flag, environment, profile, `[default]`, built in, in this order (design/cli.md section 5).

mod credentials;
mod document;

use std::path::{Path, PathBuf};

use ajet_shared::secret::Secret;
use url::{Host, Url};

pub(crate) use credentials::{Credentials, SignIn};
pub(crate) use document::Document;

use crate::args::Global;
use crate::error::{CliError, CliResult};

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Environment,
    Profile,
    Default,
    SignIn,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Profile => "profile",
            Self::Default => "[default]",
            Self::SignIn => "sign-in",
        }
    }
}

/// The keys a section may have; a profile's section is `profile.NAME`.
const KEYS: &[(&str, &[&str])] = &[
    ("", &["profile"]),
    ("default", &["community", "format", "server"]),
    ("profile", &["server", "community"]),
    ("ui", &["theme", "mouse"]),
    ("notify", &["on"]),
];

/// Everything that was set somewhere, resolved.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) paths: Paths,
    pub(crate) document: Document,
    pub(crate) profile: Option<(String, Source)>,
    pub(crate) server: Option<(Server, Source)>,
    pub(crate) token: Option<(Secret, Source)>,
    pub(crate) community: Option<(String, Source)>,
}

/// The folders.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) config: PathBuf,
    pub(crate) credentials: PathBuf,
    pub(crate) state: PathBuf,
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server(Url);

impl Server {
    /// `chat.example.org`, `http://127.0.0.1:8080` and the like. Without a scheme it is `https`, on this machine `http`.
    pub(crate) fn parse(text: &str) -> CliResult<Self> {
        let wrong = || {
            CliError::usage(format!("\"{text}\" is not the address of a server."))
                .hint("It looks like chat.example.org or https://chat.example.org")
        };
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut url = Url::parse(with_scheme.trim()).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https")
            || url.host().is_none()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(wrong());
        }
        if !text.contains("://") && Self(url.clone()).is_local() {
            url = Url::parse(&format!("http://{}", text.trim())).map_err(|_| wrong())?;
        }
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(url))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Host and port, as people name the server.
    pub(crate) fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// On this machine.
    pub(crate) fn is_local(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// Anybody on the way could read along.
    pub(crate) fn is_in_the_open(&self) -> bool {
        self.0.scheme() == "http" && !self.is_local()
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Settings {
    /// Reads files and environment.
    pub(crate) fn load(global: &Global) -> CliResult<Self> {
        let paths = Paths::find(&env)?;
        let document = read_document(&paths.config)?;
        let credentials = Credentials::load(&paths.credentials)?;
        Self::resolve(global, &env, paths, document, &credentials)
    }

    fn resolve(
        global: &Global,
        env: &dyn Fn(&str) -> Option<String>,
        paths: Paths,
        document: Document,
        credentials: &Credentials,
    ) -> CliResult<Self> {
        let flag = |value: &Option<String>| value.clone().map(|value| (value, Source::Flag));
        let variable = |name: &str| env(name).map(|value| (value, Source::Environment));
        let stored = |section: &str, key: &str, source| {
            document.get(section, key).map(|value| (value.to_owned(), source))
        };

        let asked = flag(&global.server).or_else(|| variable("AJET_SERVER"));
        let asked = asked
            .map(|(text, source)| Server::parse(&text).map(|server| (server, source)))
            .transpose()?;
        let named = flag(&global.profile).or_else(|| variable("AJET_PROFILE"));
        if let Some((name, _)) = &named
            && document.sections("profile.").iter().all(|known| known != name)
            && credentials.get(name).is_none()
        {
            return Err(unknown_profile(name, &document));
        }
        // A server without a profile takes the profile that was saved for it; a token never goes to another server.
        let current = stored("", "profile", Source::Default);
        let belongs = |name: &str| {
            asked
                .as_ref()
                .is_none_or(|(server, _)| credentials.server(name).as_ref() == Some(server))
        };
        let profile = named.or_else(|| current.filter(|(name, _)| belongs(name))).or_else(|| {
            let mut saved = credentials.names();
            saved
                .find(|name| asked.is_some() && belongs(name))
                .map(|name| (name.to_owned(), Source::SignIn))
        });
        let section =
            profile.as_ref().map(|(name, _)| format!("profile.{name}")).unwrap_or_default();
        let of_profile = |key: &str| {
            if section.is_empty() { None } else { stored(&section, key, Source::Profile) }
        };

        let saved = of_profile("server").or_else(|| stored("default", "server", Source::Default));
        let saved = saved
            .map(|(text, source)| Server::parse(&text).map(|server| (server, source)))
            .transpose()?;
        let sign_in = profile.as_ref().and_then(|(name, _)| credentials.get(name));
        let server = asked
            .or(saved)
            .or_else(|| sign_in.map(|sign_in| (sign_in.server.clone(), Source::SignIn)));
        let token = variable("AJET_TOKEN")
            .map(|(token, source)| (Secret::from(token.trim().to_owned()), source))
            .or_else(|| {
                let sign_in = sign_in.filter(|sign_in| {
                    server.as_ref().is_some_and(|(server, _)| *server == sign_in.server)
                })?;
                Some((sign_in.token.clone(), Source::SignIn))
            });
        let community = flag(&global.community)
            .or_else(|| variable("AJET_COMMUNITY"))
            .or_else(|| of_profile("community"))
            .or_else(|| stored("default", "community", Source::Default));
        Ok(Self { paths, document, profile, server, token, community })
    }

    /// The server, or the advice to sign in.
    pub(crate) fn server(&self) -> CliResult<&Server> {
        self.server.as_ref().map(|(server, _)| server).ok_or_else(|| {
            CliError::new(
                crate::error::Exit::SignedOut,
                "unauthenticated",
                "You are not signed in anywhere yet.",
            )
            .hint("ajet-chat login --server chat.example.org")
        })
    }

    /// Writes `config.toml`.
    pub(crate) fn save(&self) -> CliResult {
        write_private(&self.paths.config, &self.document.to_text())
    }

    /// Keys that mean nothing, each with the one that may have been meant.
    pub(crate) fn unknown_keys(&self) -> Vec<(String, Option<&'static str>)> {
        let mut unknown = Vec::new();
        for (section, key, _) in self.document.entries() {
            let kind = if section.starts_with("profile.") { "profile" } else { section };
            if kind == "alias" {
                continue;
            }
            let keys = KEYS.iter().find(|(name, _)| *name == kind).map(|(_, keys)| *keys);
            if keys.is_none_or(|keys| !keys.contains(&key)) {
                let name =
                    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
                unknown.push((
                    name,
                    keys.and_then(|keys| crate::nearest::nearest(key, keys.iter().copied())),
                ));
            }
        }
        unknown
    }
}

/// Whether a setting of this name exists: `default.community`, `profile.work.server`.
pub(crate) fn split_key(name: &str) -> CliResult<(String, String)> {
    let (section, key) = name.rsplit_once('.').unwrap_or(("", name));
    let kind = if section.starts_with("profile.") { "profile" } else { section };
    let known = KEYS.iter().any(|(name, keys)| *name == kind && keys.contains(&key));
    if known {
        return Ok((section.to_owned(), key.to_owned()));
    }
    let names: Vec<String> = KEYS
        .iter()
        .flat_map(|(section, keys)| {
            keys.iter().map(move |key| match *section {
                "" => (*key).to_owned(),
                "profile" => format!("profile.NAME.{key}"),
                section => format!("{section}.{key}"),
            })
        })
        .collect();
    Err(CliError::usage(format!("Unknown setting \"{name}\"."))
        .hint(format!("Settings: {}", names.join(" "))))
}

pub(crate) fn unknown_profile(name: &str, document: &Document) -> CliError {
    let error = CliError::not_found(format!("There is no profile \"{name}\"."));
    match crate::nearest::nearest(name, document.sections("profile.").into_iter()) {
        Some(near) => {
            error.hint(format!("Did you mean {near}? All of them: ajet-chat profile list"))
        }
        None => error.hint("ajet-chat profile list"),
    }
}

impl Paths {
    fn find(env: &dyn Fn(&str) -> Option<String>) -> CliResult<Self> {
        let home = env("HOME").or_else(|| env("USERPROFILE")).map(PathBuf::from);
        let under_home = |variable: &str, path: &str| {
            env(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(path)))
        };
        let lost = || {
            CliError::usage("There is no home folder.")
                .hint("Set HOME, or AJET_CONFIG to a file and XDG_STATE_HOME to a folder.")
        };
        let config = if let Some(file) = env("AJET_CONFIG") {
            PathBuf::from(file)
        } else {
            let folder =
                if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
            let variable = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
            under_home(variable, folder).ok_or_else(lost)?.join("ajet-chat").join("config.toml")
        };
        let state =
            under_home("XDG_STATE_HOME", ".local/state").ok_or_else(lost)?.join("ajet-chat");
        Ok(Self { credentials: config.with_file_name("credentials.toml"), config, state })
    }
}

/// An environment variable that is set and not empty.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read_document(path: &Path) -> CliResult<Document> {
    match std::fs::read_to_string(path) {
        Ok(text) => Document::parse(&text).map_err(|error| {
            CliError::usage(format!("{}, {error}.", path.display())).hint("ajet-chat config path")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Document::default()),
        Err(error) => Err(CliError::failed(format!("Cannot read {}: {error}.", path.display()))),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> CliResult {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("Cannot write {}: {error}.", path.display()))
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_new_private(&draft, text).and_then(|()| std::fs::rename(&draft, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        failed(error)
    })
}

fn write_new_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn resolve(
        args: &[&str],
        env: &[(&str, &str)],
        config: &str,
        credentials: &str,
    ) -> CliResult<Settings> {
        let cli = crate::args::Cli::parse_from(["ajet-chat"].iter().chain(args).chain(&["whoami"]));
        let env = |name: &str| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let paths = Paths { config: "c".into(), credentials: "d".into(), state: "s".into() };
        Settings::resolve(
            &cli.global,
            &env,
            paths,
            Document::parse(config).unwrap(),
            &Credentials::parse(credentials).unwrap(),
        )
    }

    const CONFIG: &str = "profile = \"work\"\n[profile.work]\nserver = \"https://w.example\"\ncommunity = \"salt\"\n[profile.home]\nserver = \"https://h.example\"\n[default]\ncommunity = \"kiln\"";
    const CREDENTIALS: &str = "[profile.work]\nserver = \"https://w.example\"\ntoken = \"tw\"\n[profile.home]\nserver = \"https://h.example\"\ntoken = \"th\"";

    fn found(settings: &Settings) -> (String, Option<&str>, Option<&str>) {
        let token = settings.token.as_ref().map(|(token, _)| token.expose());
        (
            settings.server.as_ref().unwrap().0.to_string(),
            token,
            settings.community.as_ref().map(|(slug, _)| slug.as_str()),
        )
    }

    #[test]
    fn flags_go_before_environment_before_profile_before_default() {
        let plain = resolve(&[], &[], CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&plain), ("https://w.example".into(), Some("tw"), Some("salt")));
        let env = [("AJET_PROFILE", "home"), ("AJET_COMMUNITY", "env")];
        let other = resolve(&[], &env, CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&other), ("https://h.example".into(), Some("th"), Some("env")));
        let flags = resolve(&["-p", "home", "-c", "flag"], &env, CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&flags), ("https://h.example".into(), Some("th"), Some("flag")));
        let home = resolve(&["-p", "home"], &[], CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&home).2, Some("kiln"));
    }

    #[test]
    fn a_token_never_goes_to_another_server() {
        let known = resolve(&["--server", "h.example"], &[], CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&known).1, Some("th"));
        let stranger = resolve(&["--server", "evil.example"], &[], CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&stranger).1, None);
        let forced =
            resolve(&["--server", "evil.example", "-p", "work"], &[], CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&forced).1, None);
        let scheme = resolve(&["--server", "http://w.example"], &[], CONFIG, CREDENTIALS).unwrap();
        assert_eq!(found(&scheme).1, None);
        let given =
            resolve(&["--server", "new.example"], &[("AJET_TOKEN", "t \n")], CONFIG, CREDENTIALS)
                .unwrap();
        assert_eq!(found(&given).1, Some("t"));
    }

    #[test]
    fn addresses_of_servers() {
        let server = |text: &str| Server::parse(text).map(|server| server.to_string()).ok();
        assert_eq!(server("chat.example.org").as_deref(), Some("https://chat.example.org"));
        assert_eq!(server("127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(server("localhost:8080/c/x?y#z").as_deref(), Some("http://localhost:8080"));
        assert_eq!(server("https://a.b/x/").as_deref(), Some("https://a.b"));
        for bad in ["", "ftp://x", "http://", "https://user:pw@x", "a b"] {
            assert_eq!(server(bad), None, "{bad}");
        }
        assert!(Server::parse("http://chat.example.org").unwrap().is_in_the_open());
    }

    #[test]
    fn unknown_names_get_advice() {
        assert!(resolve(&["-p", "wrok"], &[], CONFIG, CREDENTIALS).is_err());
        let settings =
            resolve(&[], &[], "[default]\ncomunity = \"x\"\n[alias]\ny = \"z\"", "").unwrap();
        assert_eq!(settings.unknown_keys(), [("default.comunity".to_owned(), Some("community"))]);
        assert!(split_key("default.community").is_ok() && split_key("profile.a.b.server").is_ok());
        assert!(split_key("default.nope").is_err());
    }
}
