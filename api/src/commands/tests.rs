//! The registry and the parser, without a database.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use ajet_shared::command::ArgumentKind;
use ajet_shared::community::Role;

use super::help::title;
use super::parse::{ParseError, Value, Values, parse};
use super::registry::{GROUPS, Place, all};

fn parsed(line: &str) -> (&'static str, Values) {
    let (command, values) = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    (command.name, values)
}

#[expect(clippy::unnecessary_wraps, reason = "arguments may be left out")]
fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "arguments may be left out")]
fn person(name: &str) -> Option<Value> {
    Some(Value::Person(name.to_owned()))
}

#[test]
fn arguments_are_what_the_entry_says() {
    assert_eq!(parsed("/me waves  twice "), ("me", vec![text("waves  twice")]));
    assert_eq!(parsed("/ME waves"), ("me", vec![text("waves")]));
    assert_eq!(parsed("/topic"), ("topic", vec![None]));
    assert_eq!(parsed("/leave"), ("leave", vec![]));
    assert_eq!(parsed("/msg @ben  hello\nyou"), ("msg", vec![person("ben"), text("hello\nyou")]));
    let channel = |name: &str| Some(Value::Channel(name.to_owned()));
    assert_eq!(parsed("/join #api"), ("join", vec![channel("api")]));
    assert_eq!(parsed("/join api"), ("join", vec![channel("api")]));
    let word = |word: &str| Some(Value::Word(word.to_owned()));
    assert_eq!(
        parsed("/channel create plans private"),
        ("channel create", vec![word("plans"), word("private")])
    );
    assert_eq!(
        parsed("/token create \"Kestrel CI\" messages:read, admin"),
        ("token create", vec![word("Kestrel CI"), text("messages:read, admin")])
    );
    assert_eq!(parsed("/role @ben Admin"), ("role", vec![person("ben"), word("admin")]));
    let number = |number| Some(Value::Number(number));
    assert_eq!(parsed("/purge #api 20"), ("purge", vec![channel("api"), number(20), None]));
    assert_eq!(
        parsed("/purge #api confirm"),
        ("purge", vec![channel("api"), None, word("confirm")])
    );
    assert_eq!(parsed("/status 🌴 away"), ("status", vec![word("🌴"), text("away")]));
    assert_eq!(parsed("/status gone fishing"), ("status", vec![None, text("gone fishing")]));
}

#[test]
fn what_may_be_left_out_lets_the_next_one_look() {
    let span = |seconds| Some(Value::Span(seconds));
    assert_eq!(parsed("/ban @ben"), ("ban", vec![person("ben"), None, None]));
    assert_eq!(
        parsed("/ban @ben 7d spam and more"),
        ("ban", vec![person("ben"), span(7 * 86_400), text("spam and more")])
    );
    assert_eq!(
        parsed("/ban ben spam 7 times"),
        ("ban", vec![person("ben"), None, text("spam 7 times")])
    );
    // What begins with a digit is meant as a duration: nobody is banned for good by a slip.
    for bad in ["/ban @ben 2hours", "/ban @ben 1y spam", "/ban ben 7 times spam", "/ban ben 0x1"] {
        assert!(matches!(parse(bad), Err(ParseError::Usage { .. })), "{bad}");
    }
    assert_eq!(parsed("/unmute ben"), ("unmute", vec![person("ben")]));
    assert_eq!(parsed("/mute"), ("mute", vec![None, None]));
    assert_eq!(parsed("/mute @ben 30m"), ("mute", vec![person("ben"), span(1_800)]));
    assert_eq!(parsed("/mute 1w"), ("mute", vec![None, span(7 * 86_400)]));
    for bad in [
        "/mute ben",
        "/mute @ben soon",
        "/mute @ben 5",
        "/mute @ben -5m",
        "/mute @ben 9999999999999999999w",
    ] {
        assert!(matches!(parse(bad), Err(ParseError::Usage { .. })), "{bad}");
    }
}

#[test]
fn a_line_is_one_command_whatever_stands_in_it() {
    // What follows a line break is the text of a command that takes one, and too much for any other (A106).
    assert_eq!(parsed("/me waves\n/ban @ben"), ("me", vec![text("waves\n/ban @ben")]));
    assert_eq!(parsed("/msg @a; /ban b"), ("msg", vec![person("a;"), text("/ban b")]));
    let hundred = format!("/kick @ben{}", " x".repeat(100));
    for bad in ["/leave\n/ban @ben", "/kick @ben\n/kick @cem", "/leave now", hundred.as_str()] {
        assert!(matches!(parse(bad), Err(ParseError::Usage { .. })), "{bad}");
    }
    for bad in
        ["/purge #c -5", "/purge #c 99999999999", "/purge #c 1.5", "/purge", "/role @ben king"]
    {
        assert!(matches!(parse(bad), Err(ParseError::Usage { .. })), "{bad}");
    }
}

#[test]
fn what_is_no_command_says_so() {
    for bad in ["", "hello", "//me", "/", "/ me", " /me x", "/\nme"] {
        assert!(matches!(parse(bad), Err(ParseError::NotACommand)), "{bad:?}");
    }
    assert!(matches!(parse("/me a\0b"), Err(ParseError::Nul)));
    assert!(matches!(parse(&format!("/me {}", "x".repeat(16_000))), Err(ParseError::TooLong)));
    assert!(matches!(parse("/bann @ben"), Err(ParseError::Unknown(name)) if name == "bann"));
    let Err(error) = parse("/webhook") else { panic!("it has verbs") };
    assert_eq!(error.to_string(), "/webhook needs one of: create, list, revoke");
    assert!(matches!(parse("/webhook delete x"), Err(ParseError::Verb { .. })));
}

#[test]
fn the_registry_is_sound() {
    let names: Vec<&str> = all().map(|command| command.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "twice: {names:?}");
    for command in all() {
        assert_eq!(command.name, command.name.to_lowercase());
        assert!(!command.summary.ends_with('.') && !command.summary.is_empty(), "{}", command.name);
        let takes_rest = |kind| matches!(kind, ArgumentKind::Text | ArgumentKind::Command);
        let rest = command.arguments.iter().position(|argument| takes_rest(argument.kind));
        assert!(
            rest.is_none_or(|place| place + 1 == command.arguments.len()),
            "{}: a text takes the rest of the line",
            command.name
        );
        // A family has no command of its own name: `/webhook` alone asks for a verb.
        if let Some((family, _)) = command.name.split_once(' ') {
            assert!(!names.contains(&family), "{family}");
        }
    }
}

#[test]
fn the_lowest_role_follows_from_the_rights() {
    let role = |name: &str| all().find(|command| command.name == name).unwrap().info().role;
    for name in ["help", "me", "msg", "join", "topic", "nick", "invite", "mute", "channel create"] {
        assert_eq!(role(name), None, "{name}");
    }
    for name in ["kick", "ban", "unban", "purge", "channel archive", "webhook create", "token list"]
    {
        assert_eq!(role(name), Some(Role::Admin), "{name}");
    }
    assert_eq!(role("role"), Some(Role::Owner));
}

#[test]
fn usage_shows_what_may_be_left_out() {
    let usage = |name: &str| all().find(|command| command.name == name).unwrap().usage();
    assert_eq!(usage("topic"), "/topic [text]");
    assert_eq!(usage("msg"), "/msg @user <text>");
    assert_eq!(usage("ban"), "/ban @user [duration] [reason]");
    assert_eq!(usage("role"), "/role @user member|admin|owner");
    assert_eq!(usage("channel archive"), "/channel archive [#channel]");
    assert_eq!(usage("purge"), "/purge #channel [count] [confirm]");
}

/// The table of `docs/commands.md`, as the registry has it.
fn table() -> String {
    let mut table = String::from("| command | who | where | what it does |\n|---|---|---|---|\n");
    for (group, commands) in GROUPS {
        let _ = writeln!(table, "| **{}** | | | |", title(*group));
        for command in *commands {
            let who = match command.info().role {
                None => "everybody",
                Some(Role::Owner) => "owners",
                Some(_) => "admins and owners",
            };
            let place =
                if command.scope == Place::Anywhere { "everywhere" } else { "in a community" };
            let usage = command.usage().replace('|', "\\|");
            let _ = writeln!(table, "| `{usage}` | {who} | {place} | {} |", command.summary);
        }
    }
    table
}

#[test]
fn the_documentation_has_the_table_of_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(&table()), "docs/commands.md must contain:\n\n{}", table());
}
