//! What commands print: plain, JSON, templates, and nothing that a terminal would obey.

use axum::http::Method;
use serde_json::json;

use crate::harness::{GENERAL, OPEN, World, message_id, with_input};

#[test]
fn the_json_of_a_message_is_frozen() {
    let world = World::new().with_messages(&["hello"]);
    let id = message_id(1);
    let ran = world.run(&["read", "general", "--json"]).ok();
    let expected = format!(
        r#"[{{"id":"{id}","url":"{}/c/saltmarsh/channels/general/m/{id}","community":"saltmarsh","channel":"general","channel_id":"{GENERAL}","seq":1,"parent_id":null,"author":"Mara Voss","username":"mara","author_id":"{}","kind":"text","text":"hello","created_at":"2026-11-20T11:01:00Z","edited_at":null,"deleted_at":null,"reply_count":0,"reactions":[],"attachments":[],"mentions":[]}}]"#,
        world.url,
        crate::harness::MARA
    );
    assert_eq!(ran.out, format!("{expected}\n"));
    let ran = world.run(&["send", "general", "hi", "--json=url,id"]).ok();
    assert_eq!(
        ran.out,
        format!(
            "{{\"url\":\"{0}/c/saltmarsh/channels/general/m/{1}\",\"id\":\"{1}\"}}\n",
            world.url,
            message_id(99)
        )
    );
}

#[test]
fn the_fields_of_every_command_are_frozen() {
    let world = World::new();
    let message = "id url community channel channel_id seq parent_id author username author_id kind text created_at edited_at deleted_at reply_count reactions attachments mentions";
    let cases = [
        (&["whoami"][..], "id username display_name email server profile"),
        (
            &["status"],
            "server username display_name profile session_expires_at unread mentions communities direct_messages notifications",
        ),
        (
            &["channel", "list"],
            "id name community visibility topic joined members unread mentions created_at archived_at",
        ),
        (
            &["channel", "members", "x"],
            "id username display_name kind role online status_text joined_at",
        ),
        (&["community", "list"], "id slug name role channels unread mentions created_at"),
        (&["community", "invite"], "id url code role max_uses expires_at"),
        (&["send", "x"], message),
        (&["read", "x"], message),
        (&["tail"], message),
        (&["search", "x"], message),
        (&["edit", "x"], message),
        (&["react", "x", "y"], "message_id emoji mine id"),
        (&["delete", "x"], "id"),
        (&["profile", "list"], "name server current signed_in"),
        (&["config", "list"], "key value source"),
        (&["version"], "version target"),
    ];
    for (args, fields) in cases {
        let ran = world.run(&[args, &["--json=help"]].concat()).ok();
        let names: Vec<&str> =
            ran.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names.join(" "), fields, "{args:?}");
    }
    assert!(world.seen(&Method::GET, "/api/sync").is_empty(), "help asks nobody");
}

#[test]
fn plain_output_has_one_line_a_record() {
    let world = World::new().with_messages(&["one\ntwo\tthree \\ four", "last"]);
    let ran = world.run(&["read", "general"]).ok();
    let expected = format!(
        "2026-11-20T11:01:00Z\tgeneral\tmara\t{}\tone\\ntwo    three \\\\ four\n2026-11-20T11:02:00Z\tgeneral\tmara\t{}\tlast\n",
        message_id(1),
        message_id(2)
    );
    assert_eq!(ran.out, expected);
    assert_eq!(
        world.run(&["read", "general", "-n", "1", "--format", "ids"]).ok().out,
        format!("{}\n", message_id(2))
    );
    assert_eq!(
        world
            .run(&["read", "general", "-n", "1", "--format", "{time} {author:6}: {text|json}"])
            .ok()
            .out,
        "11:02 Mara …: \"last\"\n"
    );
    let ran = world.run(&["channel", "list", "--all"]).ok();
    assert_eq!(
        ran.out,
        format!(
            "general\t8\t1\t31\t{GENERAL}\tEverything that fits nowhere else\nopen\t8\t1\t31\t{OPEN}\tEverything that fits nowhere else\n"
        )
    );
    assert_eq!(world.run(&["channel", "list", "--format", "jsonl"]).ok().json()["name"], "general");
}

#[test]
fn people_get_columns() {
    let world = World::new().with_messages(&["Done **too**. See [docs](https://d.example/x) and this longer text that has to wrap somewhere", "- [x] one"]);
    let mut command = world.command(&["read", "general", "--format", "table"]);
    let ran: crate::harness::Ran = command.env("COLUMNS", "60").output().unwrap().into();
    let expected = "Fri 20 Nov 2026\n\
        11:01  Mara Voss  Done too. See docs                2a3f0001\n\
        \u{20}                 (https://d.example/x) and this\n\
        \u{20}                 longer text that has to wrap\n\
        \u{20}                 somewhere\n\
        11:02  Mara Voss  • ☑ one                           2a3f0002\n";
    assert_eq!(ran.ok().out, expected);
    let ran = world.run(&["channel", "list", "--format", "table"]).ok();
    assert_eq!(
        ran.out,
        "  NAME     UNREAD  MEMBERS  TOPIC\n  general     1 @       31  Everything that fits nowhere else\n"
    );
    let ran = world.run(&["status", "--format", "table"]).ok();
    assert!(
        ran.out.contains("connected to")
            && ran.out.contains("Saltmarsh Labs   1 mention, 8 unread in 1 channel\n"),
        "{}",
        ran.out
    );
}

/// Abuse test A71, without a terminal and on one.
#[test]
fn nothing_a_terminal_obeys_comes_out() {
    let hostile = "\u{1b}[31mred\u{1b}]0;t\u{7} \u{9b}2J over\rwrite \u{8}\u{8} `\u{1b}[5m` \u{202e}turn\n```\n\u{1b}]52;c;eA==\u{7}\n```\n[\u{1b}x](https://a.b/\u{1b})";
    let world = World::new().with_messages(&[hostile]);
    world.on(move |seen| {
        (seen.target == "/api/me")
            .then(|| crate::harness::problem(403, "no", "bad\u{1b}[2J\u{9d}text"))
    });
    for args in [
        &["read", "general"][..],
        &["read", "general", "--format", "table"],
        &["read", "general", "--format", "{text|raw}|{text}"],
        &["whoami"],
    ] {
        let is_raw = args.last().is_some_and(|arg| arg.contains("raw"));
        let ran = world.run(args);
        let text = if is_raw {
            ran.out.rsplit('|').next().unwrap_or_default().to_owned()
        } else {
            format!("{}{}", ran.out, ran.err)
        };
        assert!(
            text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')),
            "{args:?}: {text:?}"
        );
    }
    // On a terminal colours are ours, and nothing else.
    if let Some(text) = on_a_terminal(
        &world,
        "read general --no-pager --format '{text|raw}'; \"$AJET\" read general --no-pager; \"$AJET\" whoami",
    ) {
        let rest = strip_colors(&text);
        assert!(rest.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r')), "{rest:?}");
        assert!(rest.contains("␛[31mred"), "{rest:?}");
    }
}

/// Runs a shell line with the program as `$AJET` on a pseudo terminal, if this machine has `script`.
fn on_a_terminal(world: &World, line: &str) -> Option<String> {
    let program = world.command(&[]);
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &format!("\"$AJET\" {line}"), "/dev/null"]).env_clear();
    for (name, value) in program.get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    script
        .env("AJET", program.get_program())
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .stdin(std::process::Stdio::null());
    let output = script.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn strip_colors(text: &str) -> String {
    let mut rest = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            let code: String =
                chars.by_ref().skip(1).take_while(|c| c.is_ascii_digit() || *c == ';').collect();
            assert!(code.len() < 20, "{code}");
            continue;
        }
        rest.push(c);
    }
    rest
}

#[test]
fn what_comes_on_standard_input_is_sent() {
    let world = World::new();
    let path = format!("/api/channels/{GENERAL}/messages");
    let ran = with_input(
        world.command(&["send", "general", "--code", "text", "-q"]),
        "line one\nline two\n",
    );
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), format!("{}\n", message_id(99)).as_str(), "")
    );
    let sent = world.seen(&Method::POST, &path);
    assert_eq!(sent[0].body["body_md"], "```text\nline one\nline two\n```");
    let id = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d10";
    with_input(world.command(&["send", "#general", "-", "--id", id]), "again").ok();
    assert_eq!(
        world.seen(&Method::POST, &path)[1].body,
        json!({ "body_md": "again", "client_msg_id": id })
    );
}

#[test]
fn messages_are_named_in_many_ways() {
    let world = World::new().with_messages(&["one", "two"]);
    let reacted = |seq| {
        world
            .seen(
                &Method::PUT,
                &format!("/api/messages/{}/reactions/%F0%9F%8E%89", message_id(seq)),
            )
            .len()
    };
    world.run(&["react", "general:last", ":tada:"]).ok();
    world
        .run(&[
            "react",
            &format!("{}/c/saltmarsh/channels/general/m/{}", world.url, message_id(2)),
            "🎉",
        ])
        .ok();
    world.run(&["react", "2a3f0002", "🎉"]).ok();
    assert_eq!(reacted(2), 3);
    world.run(&["reply", "2a3f0001", "in the thread"]).ok();
    let sent = world.seen(&Method::POST, &format!("/api/channels/{GENERAL}/messages"));
    assert_eq!(sent[0].body["parent_id"], json!(message_id(1)));
    // The reply was mine: `last` names it, also where the server is not asked for it.
    let ran = world.run(&["react", "last", "🎉"]).ok();
    assert!(ran.out.starts_with(&message_id(99)));
    world.run(&["delete", &message_id(1), "--yes"]).ok();
    assert_eq!(world.seen(&Method::DELETE, &format!("/api/messages/{}", message_id(1))).len(), 1);
}

#[test]
fn direct_messages_are_named_by_the_other() {
    let world = World::new();
    world.run(&["send", "@Mara", "hi"]).ok();
    assert_eq!(
        world.seen(&Method::POST, &format!("/api/channels/{}/messages", crate::harness::DM)).len(),
        1
    );
}

#[test]
fn any_call_can_be_made() {
    let world = World::new();
    assert_eq!(world.run(&["api", "GET", "/api/me"]).ok().json()["username"], "ola");
    let ran = world.run(&["api", "get", "api/nope"]);
    assert_eq!((ran.code, ran.json()["status"].as_i64()), (Some(6), Some(404)));
    world
        .run(&[
            "api",
            "POST",
            &format!("/api/channels/{GENERAL}/messages"),
            "-F",
            "body_md=hi",
            "-F",
            "n=1",
            "-H",
            "X-Test: yes",
        ])
        .ok();
    let seen = world.seen(&Method::POST, &format!("/api/channels/{GENERAL}/messages"));
    assert_eq!(
        (&seen[0].body, seen[0].headers["x-test"].to_str().unwrap()),
        (&json!({ "body_md": "hi", "n": 1 }), "yes")
    );
}

#[test]
fn help_and_version_go_to_standard_output() {
    let world = World::new();
    let ran = world.run(&[]).ok();
    assert!(ran.out.starts_with("Talk on an ajet-chat server") && ran.err.is_empty(), "{ran:?}");
    let ran = world.run(&["send", "-h"]).ok();
    assert!(
        ran.out.starts_with("Send a message to a channel\n\nUsage: ajet-chat send "),
        "{}",
        ran.out
    );
    assert_eq!(
        world.run(&["version", "--format", "{version}"]).ok().out,
        format!("{}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn settings_are_kept() {
    let world = World::new();
    world.run(&["config", "set", "default.community", "saltmarsh"]).ok();
    assert_eq!(world.run(&["config", "get", "default.community"]).ok().out, "saltmarsh\n");
    world.run(&["config", "set", "default.format", "ids"]).ok();
    assert_eq!(world.run(&["channel", "list"]).ok().out, format!("{GENERAL}\n"));
    assert!(world.run(&["config", "path"]).ok().out.ends_with("/.config/ajet-chat/config.toml\n"));
    std::fs::write(
        world.home().join(".config/ajet-chat/config.toml"),
        "[default]\ncomunity = \"x\"\n",
    )
    .unwrap();
    assert!(world.run(&["whoami"]).ok().err.contains("Unknown setting default.comunity"));
    std::fs::write(world.home().join(".config/ajet-chat/config.toml"), "[default\n").unwrap();
    let ran = world.run(&["whoami"]);
    assert_eq!((ran.code, ran.err.contains("config.toml, line 1")), (Some(2), true), "{ran:?}");
}
