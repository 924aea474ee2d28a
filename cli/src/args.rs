//! The command line: every command, flag and example (design/cli.md sections 1, 2 and 8).

mod machines;
mod order;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

pub(crate) use machines::{CreateWebhook, Notifications, Token, Webhook};
pub(crate) use order::{Care, Order, Setting, Slash, Switch};

/// What it does, then how, then examples, then everything else.
const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";

/// What only `--help` tells.
const LONG_HELP: &str = "\
  ajet-chat login --server chat.example.org
  ajet-chat send general \"Hello\"
  ajet-chat tail general

Exit codes: 0 done, 1 failed, 2 wrong use, 3 you said no or a wait ran out, 4 sign in first, 5 not allowed,
  6 not found or ambiguous, 7 refused by content or state, 8 slow down, 9 server not reachable.

Environment: AJET_SERVER, AJET_TOKEN, AJET_COMMUNITY, AJET_PROFILE, AJET_CONFIG, NO_COLOR, PAGER, EDITOR, BROWSER.";

/// Talk on an ajet-chat server from a terminal.
#[derive(Debug, Parser)]
#[command(
    name = "ajet-chat", version, help_template = TEMPLATE,
    after_help = "  ajet-chat login --server chat.example.org\n  ajet-chat send general \"Hello\"\n  ajet-chat tail general",
    after_long_help = LONG_HELP
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Community to act in.
    #[arg(short, long, global = true, hide_short_help = true, value_name = "SLUG")]
    pub(crate) community: Option<String>,
    /// Saved sign-in to use.
    #[arg(short, long, global = true, hide_short_help = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Server to talk to.
    #[arg(long, global = true, hide_short_help = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Print JSON; FIELDS chooses, `--json=help` lists them.
    #[arg(long, global = true, value_name = "FIELDS", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "format")]
    pub(crate) json: Option<String>,
    /// Print by a preset (table, plain, tsv, jsonl, ids, markdown) or a template like '{time} {author}: {text}'.
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME|TEMPLATE")]
    pub(crate) format: Option<String>,
    /// Say nothing but data and errors.
    #[arg(short, long, global = true, hide_short_help = true)]
    pub(crate) quiet: bool,
    /// Say more; repeat for still more.
    #[arg(short, long, global = true, hide_short_help = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub(crate) color: ColorWhen,
    /// Never ask.
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_input: bool,
    /// Do not page long output.
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_pager: bool,
    /// Give up after this time, repetitions included.
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = parse_duration, default_value = "30s", hide_default_value = true)]
    pub(crate) timeout: Duration,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a message to a channel.
    #[command(
        help_template = TEMPLATE,
        after_help = "  ajet-chat send release-room \"Tagged 0.9.0\"\n  git log -5 --oneline | ajet-chat send api --code text\n  ajet-chat send general - < notes.md"
    )]
    Send(Send),
    /// Answer a message in its thread.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat reply 7c0a41d2 \"Done\"\n  ajet-chat reply general:last \"Thanks\"")]
    Reply(Reply),
    /// Give a reaction, or take it back.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat react general:last 👍\n  ajet-chat react 7c0a41d2 :tada: :rocket:")]
    React(React),
    /// Change the text of a message.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat edit last \"Tagged 0.9.1\"\n  ajet-chat edit 7c0a41d2        (opens the editor)")]
    Edit(Edit),
    /// Delete messages.
    #[command(visible_alias = "rm", help_template = TEMPLATE, after_help = "  ajet-chat delete last --yes")]
    Delete(Delete),
    /// Print the messages of a channel.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat read release-room -n 50\n  ajet-chat read api --unread --mark-read\n  ajet-chat read general --since 2h --json=author,text")]
    Read(Read),
    /// Follow channels until Ctrl-C.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat tail release-room incidents\n  ajet-chat tail --mentions\n  ajet-chat tail api --json | jq -r .text\n  ajet-chat tail api --format '{time} {author}: {text}'")]
    Tail(Tail),
    /// Find messages.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat search release candidate\n  ajet-chat search '\"release candidate\" -draft' --in release-room --after 7d\n  ajet-chat search --from @mara --has image -n 5\n  ajet-chat search ERR-2041 --sort best --json=url,text")]
    Search(Search),
    /// The full-screen interface; `ajet-chat` alone opens it too.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat tui\n  ajet-chat tui release-room\n  ajet-chat tui @mara")]
    Tui(Tui),
    /// Communities: list, choose, make, invite.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat community list\n  ajet-chat community invite --uses 5 --expires 7d")]
    Community(Community),
    /// Channels: list, make, join, leave.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat channel list --all\n  ajet-chat channel create release-room --topic \"Shipping on Friday\"")]
    Channel(Channel),
    /// What you were told about: mentions, direct messages, answers.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat notifications list --unread\n  ajet-chat notifications read --all\n  ajet-chat notifications watch --json | jq -r .text")]
    Notifications(Notifications),
    /// Addresses at which other systems post into a channel.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat webhook create release-room \"Kestrel CI\"\n  ajet-chat webhook deliveries \"Kestrel CI\"\n  ajet-chat webhook rotate \"Kestrel CI\"")]
    Webhook(Webhook),
    /// API tokens of bots, and your own.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat token create deploy-bot --scope messages:read,messages:write\n  ajet-chat token create laptop --scope messages:read --expires 30d --personal\n  ajet-chat token list")]
    Token(Token),
    /// Run a slash command as in the message box.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat slash --in release-room /topic Freeze at 16:00\n  ajet-chat slash --in general /mute @tomas 2h\n  ajet-chat slash --list")]
    Slash(Slash),
    /// Call the HTTP API, signed in as you.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat api GET /api/me\n  ajet-chat api POST /api/communities -F name=\"Harbour Co-op\"\n  ajet-chat api PATCH /api/me --input me.json")]
    Api(Api),
    /// Sign in.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat login --server chat.example.org\n  ajet-chat login --server chat.example.org --with-token < token.txt")]
    Login(Login),
    /// Sign out, on the server too.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat logout")]
    Logout(Logout),
    /// Saved sign-ins.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat profile list\n  ajet-chat profile use work")]
    Profile(Profile),
    /// Who you are, where.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat whoami --json=username,server")]
    Whoami,
    /// Connection, session and what is unread.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat status")]
    Status,
    /// Settings.
    #[command(subcommand, help_template = TEMPLATE, after_help = "  ajet-chat config list --sources\n  ajet-chat config set default.community saltmarsh")]
    Config(Config),
    /// The version.
    #[command(help_template = TEMPLATE, after_help = "  ajet-chat version --json")]
    Version,
}

/// `send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Channel, or @user of a direct message.
    pub(crate) channel: String,
    /// The message; `-` or nothing reads standard input.
    pub(crate) text: Option<String>,
    /// Wrap the text in a code block of this language.
    #[arg(long, value_name = "LANG")]
    pub(crate) code: Option<String>,
    /// Send into the thread of this message.
    #[arg(long, value_name = "MSG")]
    pub(crate) thread: Option<String>,
    /// Make a retry safe: the same id is the same message.
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,
}

/// `reply`.
#[derive(Debug, Args)]
pub(crate) struct Reply {
    /// Message to answer: id, at least 8 characters of it, link, `last` or CHANNEL:last.
    pub(crate) message: String,
    /// The answer; `-` or nothing reads standard input.
    pub(crate) text: Option<String>,
    /// Wrap the text in a code block of this language.
    #[arg(long, value_name = "LANG")]
    pub(crate) code: Option<String>,
    /// Make a retry safe: the same id is the same message.
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,
}

/// `react`.
#[derive(Debug, Args)]
pub(crate) struct React {
    /// Message: id, at least 8 characters of it, link, `last` or CHANNEL:last.
    pub(crate) message: String,
    /// The character itself or :name:.
    #[arg(required = true)]
    pub(crate) emoji: Vec<String>,
    /// Take it back.
    #[arg(long)]
    pub(crate) remove: bool,
}

/// `edit`.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Message: id, at least 8 characters of it, link, `last` or CHANNEL:last.
    pub(crate) message: String,
    /// The new text; without it the editor opens with the old one.
    pub(crate) text: Option<String>,
}

/// `delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Messages: ids, at least 8 characters of them, links, `last` or CHANNEL:last.
    #[arg(required = true)]
    pub(crate) messages: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `read`.
#[derive(Debug, Args)]
pub(crate) struct Read {
    /// Channel, or @user of a direct message.
    pub(crate) channel: String,
    /// How many messages, at most 1000.
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) count: Option<u16>,
    /// Only what stands before this message.
    #[arg(long, value_name = "MSG")]
    pub(crate) before: Option<String>,
    /// Only what stands after this message.
    #[arg(long, value_name = "MSG", conflicts_with_all = ["before", "unread"])]
    pub(crate) after: Option<String>,
    /// Only what is newer: 2h, 3d or 2026-11-19.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Only what you have not read.
    #[arg(long)]
    pub(crate) unread: bool,
    /// With the replies of each thread.
    #[arg(long)]
    pub(crate) threads: bool,
    /// Mark as read what was printed.
    #[arg(long = "mark-read")]
    pub(crate) mark: bool,
}

/// `search`.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words, "phrases", -without, this OR that; filters as in the web: from:@user in:#channel before: after: has: is:thread.
    pub(crate) query: Vec<String>,
    /// Only in this channel, or @user of a direct message.
    #[arg(long = "in", value_name = "CHANNEL")]
    pub(crate) channel: Option<String>,
    /// Only what this user wrote; several may be given.
    #[arg(long, value_name = "USER")]
    pub(crate) from: Vec<String>,
    /// Only messages with a file, an image or a link.
    #[arg(long, value_enum)]
    pub(crate) has: Vec<Has>,
    /// Only what is older: 2h, 3d or 2026-11-19.
    #[arg(long, value_name = "WHEN")]
    pub(crate) before: Option<String>,
    /// Only what is newer: 2h, 3d or 2026-11-19.
    #[arg(long, value_name = "WHEN")]
    pub(crate) after: Option<String>,
    /// The newest first, or those that fit best.
    #[arg(long, value_enum, default_value_t = Sort::New)]
    pub(crate) sort: Sort,
    /// How many messages, at most 1000.
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) count: u16,
}

/// What a message that is searched for has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Has {
    /// A file.
    File,
    /// A picture.
    Image,
    /// An address.
    Link,
}

/// The order of what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The newest first.
    New,
    /// Those that fit best first, of the newest 2,000.
    Best,
}

/// `tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Channels, or @user of a direct message; without any, all you are in.
    pub(crate) channels: Vec<String>,
    /// Everything you are in, over all communities.
    #[arg(long, conflicts_with = "channels")]
    pub(crate) all: bool,
    /// Only what mentions you, and direct messages.
    #[arg(long)]
    pub(crate) mentions: bool,
    /// With replies in threads.
    #[arg(long)]
    pub(crate) threads: bool,
    /// Begin with this many messages of each channel; 10 when channels are given.
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u16).range(0..=100))]
    pub(crate) count: Option<u16>,
}

/// `tui`.
#[derive(Debug, Default, Args)]
pub(crate) struct Tui {
    /// Channel, or @user of a direct message, to open; without, where you were.
    pub(crate) place: Option<String>,
}

/// `community …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Community {
    /// Your communities.
    #[command(visible_alias = "ls")]
    List,
    /// Make this the default.
    Use {
        /// Its address.
        slug: String,
    },
    /// One community.
    Info {
        /// Its address; the default one without.
        slug: Option<String>,
    },
    /// Make a community; you own it.
    Create {
        /// Its name.
        name: String,
        /// Its address; made from the name without.
        #[arg(long)]
        slug: Option<String>,
    },
    /// The people in it.
    Members {
        /// Only those who may do this much.
        #[arg(long)]
        role: Option<RoleArg>,
        /// Only those who are online.
        #[arg(long)]
        online: bool,
    },
    /// Make an invite link.
    Invite {
        /// How often it may be used.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=1000))]
        uses: i32,
        /// How long it lasts.
        #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "7d")]
        expires: Duration,
        /// What the invited may do.
        #[arg(long, default_value = "member")]
        role: RoleArg,
    },
    /// What keeps order.
    #[command(flatten)]
    Order(Order),
}

/// A role on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// May read, write and open channels.
    Member,
    /// Also moderates and manages.
    Admin,
    /// May do all there is.
    Owner,
}

/// `channel …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// Channels you are in.
    #[command(visible_alias = "ls")]
    List {
        /// Also those you could join, and archived ones.
        #[arg(long)]
        all: bool,
    },
    /// One channel.
    Info {
        /// Its name.
        name: String,
    },
    /// Make a channel.
    Create {
        /// Its name.
        name: String,
        /// Only its members see it.
        #[arg(long)]
        private: bool,
        /// What it is about.
        #[arg(long)]
        topic: Option<String>,
    },
    /// Join a channel; fine when you are in it.
    Join {
        /// Its name.
        name: String,
    },
    /// Leave a channel.
    Leave {
        /// Its name.
        name: String,
    },
    /// Print or change what a channel is about.
    Topic {
        /// Its name.
        name: String,
        /// The new topic; "" clears it.
        text: Option<String>,
    },
    /// The people in a channel.
    Members {
        /// Its name.
        name: String,
    },
    /// What keeps order.
    #[command(flatten)]
    Care(Care),
}

/// `api`.
#[derive(Debug, Args)]
pub(crate) struct Api {
    /// GET, POST, PUT, PATCH or DELETE.
    pub(crate) method: String,
    /// Path and query, like /api/me.
    pub(crate) path: String,
    /// A field of the JSON body; the value is JSON where it reads as such, else text.
    #[arg(short = 'F', long = "field", value_name = "KEY=VALUE", conflicts_with = "input")]
    pub(crate) fields: Vec<String>,
    /// A header.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// A file with the body; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Follow `next` and print the items of all pages.
    #[arg(long)]
    pub(crate) paginate: bool,
}

/// `login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Do not open a browser, only print the address.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Read a token from standard input instead.
    #[arg(long)]
    pub(crate) with_token: bool,
}

/// `logout`.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// Every saved sign-in.
    #[arg(long)]
    pub(crate) all: bool,
}

/// `profile …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Profile {
    /// Saved sign-ins.
    #[command(visible_alias = "ls")]
    List,
    /// Use this one from now on.
    Use {
        /// Its name.
        name: String,
    },
    /// Forget one; it stays signed in on the server.
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name.
        name: String,
    },
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Where the settings are.
    Path,
    /// All settings.
    #[command(visible_alias = "ls")]
    List {
        /// Say where each value comes from.
        #[arg(long)]
        sources: bool,
    },
    /// One setting.
    Get {
        /// Its name, like default.community.
        key: String,
    },
    /// Change a setting.
    Set {
        /// Its name, like default.community.
        key: String,
        /// Its value.
        value: String,
    },
}

/// `30s`, `2h`, `7d`: a number and one of s, m, h, d, w; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXAMPLE: &str = "a time looks like 30s, 5m, 2h or 7d";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| EXAMPLE.to_owned())?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(EXAMPLE.to_owned()),
    };
    number
        .checked_mul(unit)
        .filter(|seconds| *seconds > 0 && *seconds < 10 * 366 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| EXAMPLE.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_takes_fields_only_with_an_equals_sign() {
        let cli = Cli::parse_from(["ajet-chat", "send", "--json", "general", "hi"]);
        assert_eq!(cli.global.json.as_deref(), Some(""));
        let cli = Cli::parse_from(["ajet-chat", "read", "general", "--json=id,text"]);
        assert_eq!(cli.global.json.as_deref(), Some("id,text"));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        for bad in ["", "h", "2y", "-1s", "0s", "99999999999999999999d", "2 h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
