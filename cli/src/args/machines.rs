//! Arguments of `webhook`, `token` and `notifications`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::parse_duration;

/// `webhook …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Make an address at which another system posts into a channel.
    Create(CreateWebhook),
    /// The webhooks of the community.
    #[command(visible_alias = "ls")]
    List,
    /// Give a webhook a new address; the old one stops working at once.
    Rotate {
        /// Its id, at least 4 characters of it, or its name.
        webhook: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// End a webhook.
    #[command(visible_alias = "rm")]
    Revoke {
        /// Its id, at least 4 characters of it, or its name.
        webhook: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Post through a webhook, as its sender would.
    Test {
        /// Its id or name; its address is asked for, or read from standard input. The address itself works, too, but arguments are
        /// seen by everybody on the machine and stay in the shell's history.
        webhook: String,
        /// What to post.
        #[arg(default_value = "A test of this webhook.")]
        text: String,
    },
    /// What came in last, and what became of it.
    Deliveries {
        /// Its id, at least 4 characters of it, or its name.
        webhook: String,
        /// How many, at most 100.
        #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        count: u16,
    },
}

/// `webhook create`.
#[derive(Debug, Args)]
pub(crate) struct CreateWebhook {
    /// Where it posts; you must be in it.
    pub(crate) channel: String,
    /// The name its messages carry.
    pub(crate) name: String,
    /// Refuse what is not signed; the secret shared with the sender is read from standard input.
    #[arg(long)]
    pub(crate) signed: bool,
    /// Let its messages call @channel and @here.
    #[arg(long)]
    pub(crate) allow_broadcast: bool,
}

/// `token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token for a bot of this name, or with --personal one that acts as you.
    Create {
        /// What it is for; of a bot also its name.
        name: String,
        /// What it may be used for: messages:read messages:write channels:read channels:write files:read files:write search:read admin.
        #[arg(long = "scope", value_name = "S[,S]", value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// How long it lasts, at most 365d.
        #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "90d")]
        expires: Duration,
        /// It acts as you, in all your communities.
        #[arg(long)]
        personal: bool,
    },
    /// The tokens of the community's bots.
    #[command(visible_alias = "ls")]
    List {
        /// Your own instead.
        #[arg(long)]
        personal: bool,
    },
    /// End a token.
    #[command(visible_alias = "rm")]
    Revoke {
        /// Its id, at least 4 characters of it, or its name.
        token: String,
        /// It is one of your own.
        #[arg(long)]
        personal: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// `notifications …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Notifications {
    /// What you were told about, newest last.
    #[command(visible_alias = "ls")]
    List {
        /// Only what you have not seen.
        #[arg(long)]
        unread: bool,
        /// How many, at most 100.
        #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        count: u16,
    },
    /// Mark as seen; fine when they are.
    Read {
        /// Their ids, or at least 4 characters of each.
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All there are.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Follow them until Ctrl-C.
    Watch,
}
