//! Arguments of `slash`, and of the verbs of `community` and `channel` that keep order.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{RoleArg, parse_duration};

/// `slash`.
#[derive(Debug, Args)]
pub(crate) struct Slash {
    /// The line as it would be typed in the message box; the slash may be left out.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required_unless_present = "list")]
    pub(crate) line: Vec<String>,
    /// Channel to run it in, or @user of a direct message.
    #[arg(long = "in", value_name = "CHANNEL")]
    pub(crate) channel: Option<String>,
    /// Show what you may run there.
    #[arg(long, conflicts_with = "line")]
    pub(crate) list: bool,
    /// Make a retry safe: the same id writes one message.
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,
}

/// What keeps order in a community.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Give somebody another role.
    Role {
        /// Who: @user.
        user: String,
        /// What they may do from now on.
        role: RoleArg,
    },
    /// Silence somebody; they go on reading.
    Mute {
        /// Who: @user.
        user: String,
        /// How long; until you unmute them without.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        span: Option<Duration>,
    },
    /// Let somebody speak again.
    Unmute {
        /// Who: @user.
        user: String,
    },
    /// Take somebody out; they may be invited again.
    Kick {
        /// Who: @user.
        user: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Take somebody out and keep them out.
    Ban {
        /// Who: @user.
        user: String,
        /// How long; for good without.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        span: Option<Duration>,
        /// Why, for the other admins.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Lift a ban.
    Unban {
        /// Who: @user.
        user: String,
    },
    /// Who is banned.
    Bans,
    /// What was done here, the newest last.
    Audit {
        /// Only acts of this kind, like member.banned.
        #[arg(long, value_name = "NOUN.VERB")]
        action: Option<String>,
        /// Only what is newer: 2h, 3d or 2026-11-19.
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
        /// How many lines.
        #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=100))]
        count: u16,
    },
    /// Change a setting of the community.
    Set {
        /// Which.
        setting: Setting,
        /// How it is from now on.
        to: Switch,
    },
    /// The invites there are.
    Invites,
    /// Leave a community.
    Leave {
        /// Its address; the default one without.
        slug: Option<String>,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// A setting of a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setting {
    /// Members make invites, too; for members only.
    MembersMayInvite,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is so.
    On,
    /// It is not so.
    Off,
}

/// What keeps order in a channel.
#[derive(Debug, Subcommand)]
pub(crate) enum Care {
    /// Take people in.
    Add {
        /// Its name.
        name: String,
        /// Who: @user.
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Take people out.
    Remove {
        /// Its name.
        name: String,
        /// Who: @user.
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Hear nothing of a channel.
    Mute {
        /// Its name, or @user of a direct message.
        name: String,
    },
    /// Hear of mentions again.
    Unmute {
        /// Its name, or @user of a direct message.
        name: String,
    },
    /// Give a channel another name.
    Rename {
        /// Its name.
        name: String,
        /// The new one.
        new: String,
    },
    /// Archive a channel: from then on it only reads.
    Archive {
        /// Its name.
        name: String,
    },
    /// Open an archived channel again.
    Unarchive {
        /// Its name.
        name: String,
    },
    /// Delete the newest messages of a channel for good.
    Purge {
        /// Its name.
        name: String,
        /// How many; admins up to 100, owners up to 500.
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=500))]
        last: u32,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}
