//! How channels and messages are named on the command line (design/cli.md section 1). Pure: looking them up is done elsewhere.

use ajet_shared::id::{ChannelId, MessageId};
use url::Url;
use uuid::Uuid;

use crate::error::{CliError, CliResult, Exit};
use crate::settings::Server;

/// Characters of an id that are enough to name a message.
const FRAGMENT_MIN: usize = 8;

/// A channel as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelRef {
    /// By its name in the community.
    Name(String),
    /// By its id.
    Id(ChannelId),
    /// The direct message with somebody.
    User(String),
    /// By a link, which names its community too.
    Link { slug: String, name: String },
}

/// A message as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MessageRef {
    /// By its full id.
    Id(MessageId),
    /// By the beginning or the end of its id, hexadecimal digits without hyphens.
    Fragment(String),
    /// The one I sent last.
    MyLast,
    /// The newest one of a channel.
    LastOf(ChannelRef),
}

impl ChannelRef {
    pub(crate) fn parse(text: &str, server: &Server) -> CliResult<Self> {
        if text.contains("://") {
            return match link_segments(text, server)?.as_slice() {
                ["c", slug, "channels", name, ..] => {
                    Ok(Self::Link { slug: (*slug).to_owned(), name: decode(name) })
                }
                _ => Err(CliError::usage("This link does not lead to a channel.")),
            };
        }
        if let Some(user) = text.strip_prefix('@') {
            return if user.is_empty() {
                Err(CliError::usage("\"@\" names nobody."))
            } else {
                Ok(Self::User(user.to_lowercase()))
            };
        }
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Id(id.into()));
        }
        match text.trim_start_matches('#') {
            "" => Err(CliError::usage("The channel has no name.").hint("ajet-chat channel list")),
            name => Ok(Self::Name(name.to_lowercase())),
        }
    }
}

impl MessageRef {
    pub(crate) fn parse(text: &str, server: &Server) -> CliResult<Self> {
        if text.contains("://") {
            let segments = link_segments(text, server)?;
            let id = segments
                .iter()
                .position(|segment| *segment == "m")
                .and_then(|at| segments.get(at + 1))
                .and_then(|id| id.parse().ok());
            return id
                .map(Self::Id)
                .ok_or_else(|| CliError::usage("This link does not lead to a message."));
        }
        if text == "last" {
            return Ok(Self::MyLast);
        }
        if let Some(channel) = text.strip_suffix(":last") {
            return ChannelRef::parse(channel, server).map(Self::LastOf);
        }
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Id(id.into()));
        }
        let digits: String =
            text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
        if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Err(CliError::usage(format!("\"{text}\" does not name a message.")).hint(
                "Give its id, at least 8 characters of it, its link, `last` or CHANNEL:last.",
            ));
        }
        if digits.len() < FRAGMENT_MIN {
            return Err(CliError::new(
                Exit::NotFound,
                "ambiguous",
                format!(
                    "\"{text}\" fits too many messages. Give at least 8 characters, or the link."
                ),
            ));
        }
        Ok(Self::Fragment(digits))
    }
}

/// Whether the fragment is the beginning or the end of this id.
pub(crate) fn fits(fragment: &str, id: MessageId) -> bool {
    let digits = id.uuid().simple().to_string();
    digits.starts_with(fragment) || digits.ends_with(fragment)
}

/// What is shown of an id: its end, because the beginning is the time and alike for all messages of a minute.
pub(crate) fn short(id: MessageId) -> String {
    let digits = id.uuid().simple().to_string();
    digits[digits.len() - FRAGMENT_MIN..].to_owned()
}

fn link_segments<'a>(text: &'a str, server: &Server) -> CliResult<Vec<&'a str>> {
    let same = Url::parse(text).is_ok_and(|url| {
        url.host() == server.url().host()
            && url.port_or_known_default() == server.url().port_or_known_default()
    });
    if !same {
        return Err(CliError::usage(format!(
            "This link leads to another server than {}.",
            server.host()
        )));
    }
    let path =
        text.split("://").nth(1).and_then(|rest| rest.split_once('/')).map_or("", |(_, path)| path);
    Ok(path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect())
}

/// Percent-encoding undone; channel names may be of any script.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d10";

    fn server() -> Server {
        Server::parse("https://chat.example").unwrap()
    }

    #[test]
    fn channels_have_many_names() {
        let parse = |text: &str| ChannelRef::parse(text, &server());
        assert_eq!(parse("#Release-Room").unwrap(), ChannelRef::Name("release-room".into()));
        assert_eq!(parse("@Ola").unwrap(), ChannelRef::User("ola".into()));
        assert_eq!(parse(ID).unwrap(), ChannelRef::Id(ID.parse().unwrap()));
        let link = ChannelRef::Link { slug: "salt".into(), name: "köln".into() };
        assert_eq!(parse("https://chat.example/c/salt/channels/k%C3%B6ln?thread=1").unwrap(), link);
        for bad in
            ["", "#", "@", "https://other.example/c/s/channels/x", "https://chat.example/login"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_have_many_names() {
        let parse = |text: &str| MessageRef::parse(text, &server());
        let id: MessageId = ID.parse().unwrap();
        assert_eq!(parse(ID).unwrap(), MessageRef::Id(id));
        assert_eq!(
            parse(&format!("https://chat.example/c/s/channels/x/m/{ID}")).unwrap(),
            MessageRef::Id(id)
        );
        assert_eq!(parse("last").unwrap(), MessageRef::MyLast);
        assert_eq!(parse("#api:last").unwrap(), MessageRef::LastOf(ChannelRef::Name("api".into())));
        assert_eq!(parse("01936b5e-7c0").unwrap(), MessageRef::Fragment("01936b5e7c0".into()));
        assert_eq!(parse(&short(id)).unwrap(), MessageRef::Fragment("2a3f9d10".into()));
        assert_eq!(parse("7c0").unwrap_err().exit, Exit::NotFound);
        assert_eq!(parse("general").unwrap_err().exit, Exit::Usage);
        assert!(fits("01936b5e7c0", id) && fits("2a3f9d10", id) && !fits("7c0d7b1e", id));
    }
}
