//! Settings: environment variables parsed by clap into a typed struct, secrets also from files.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches};

/// Parses a service's settings from its arguments and the environment. Each variable `AJET_X` may also come as `AJET_X_FILE`,
/// the name of a file that holds the value. A wrong or missing value gives one line that names the variable, what is wrong and an example.
pub fn parse<C: CommandFactory + FromArgMatches>() -> Result<C, String> {
    parse_from(std::env::args().collect(), |name| std::env::var(name).ok())
}

/// As [`parse`], from given arguments and a given environment (for `_FILE` variables).
pub fn parse_from<C: CommandFactory + FromArgMatches>(
    mut args: Vec<String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<C, String> {
    let command = C::command();
    for arg in command.get_arguments() {
        let (Some(name), Some(long)) = (env_name(arg), arg.get_long()) else { continue };
        let Some(file) = env(&format!("{name}_FILE")) else { continue };
        if env(&name).is_some() {
            return Err(format!("{name} and {name}_FILE are both set; keep one of them"));
        }
        let value = std::fs::read_to_string(&file)
            .map_err(|error| format!("{name}_FILE: {file}: {error}"))?;
        args.push(format!("--{long}={}", value.trim_end_matches(['\n', '\r'])));
    }
    let mut matches =
        command.clone().try_get_matches_from(args).map_err(|error| one_line(&command, &error))?;
    C::from_arg_matches_mut(&mut matches).map_err(|error| one_line(&command, &error))
}

fn env_name(arg: &Arg) -> Option<String> {
    arg.get_env().map(|name| name.to_string_lossy().into_owned())
}

fn one_line(command: &Command, error: &clap::Error) -> String {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        error.exit();
    }
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        Some(ContextValue::Strings(names)) => names.first().cloned(),
        _ => None,
    };
    let arg = named.and_then(|named| {
        let long =
            named.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default().to_owned();
        command.get_arguments().find(|arg| arg.get_long() == Some(&long)).cloned()
    });
    let Some(arg) = arg else {
        return error.to_string().lines().next().unwrap_or("wrong settings").to_owned();
    };
    let name = env_name(&arg).unwrap_or_else(|| arg.get_id().to_string());
    let example = arg
        .get_value_names()
        .and_then(<[_]>::first)
        .map(|example| format!(", for example {name}={example}"))
        .unwrap_or_default();
    let reason = if error.kind() == ErrorKind::MissingRequiredArgument {
        "is not set".to_owned()
    } else {
        std::error::Error::source(error).map_or_else(
            || "has a value that cannot be used".to_owned(),
            |source| format!("is wrong ({source})"),
        )
    };
    format!("{name} {reason}{example}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Settings {
        /// Where to listen.
        #[arg(
            long,
            env = "AJET_TEST_LISTEN",
            value_name = "127.0.0.1:8081",
            default_value = "127.0.0.1:1"
        )]
        listen: std::net::SocketAddr,
        /// A secret.
        #[arg(long, env = "AJET_TEST_SECRET", value_name = "32-random-bytes")]
        secret: String,
    }

    fn parse(args: &[&str]) -> Result<Settings, String> {
        parse_from(
            std::iter::once("x").chain(args.iter().copied()).map(str::to_owned).collect(),
            |_| None,
        )
    }

    #[test]
    fn errors_name_the_variable_and_an_example() {
        assert_eq!(
            parse(&[]).unwrap_err(),
            "AJET_TEST_SECRET is not set, for example AJET_TEST_SECRET=32-random-bytes"
        );
        let wrong = parse(&["--secret=s", "--listen=nowhere"]).unwrap_err();
        assert!(
            wrong.starts_with("AJET_TEST_LISTEN is wrong (")
                && wrong.ends_with("AJET_TEST_LISTEN=127.0.0.1:8081"),
            "{wrong}"
        );
        assert_eq!(parse(&["--secret=s"]).unwrap().listen.port(), 1);
    }

    #[test]
    fn a_secret_may_come_from_a_file() {
        let file = std::env::temp_dir().join(format!("ajet-config-{}", crate::id::EventId::new()));
        std::fs::write(&file, "from-file\n").unwrap();
        let env = |name: &str| {
            (name == "AJET_TEST_SECRET_FILE").then(|| file.to_string_lossy().into_owned())
        };
        let settings: Settings = parse_from(vec!["x".to_owned()], env).unwrap();
        assert_eq!(settings.secret, "from-file");
        std::fs::remove_file(file).unwrap();
    }
}
