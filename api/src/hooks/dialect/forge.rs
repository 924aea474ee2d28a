//! What pushes, requests and pipelines have in common, whoever hosts them.

use ajet_shared::webhook::{Card, Link, Tone};
use serde_json::Value;

use super::escape::{code, escape, link, one_line, shorten};
use super::json::{line, text, url};
use super::{Outcome, Refusal, Said};

/// Commits of a push that are listed.
const COMMITS_SHOWN: usize = 5;
/// Characters of a commit's first line.
const SUBJECT_MAX: usize = 120;
/// Characters of a title.
const TITLE_MAX: usize = 250;
/// Characters of a description or comment; the rest is behind the link.
const TEXT_MAX: usize = 700;

/// Where something happened and who did it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// `saltmarsh/kestrel`.
    pub(super) repo: String,
    /// Its page.
    pub(super) repo_url: Option<String>,
    /// Who.
    pub(super) author: Option<Link>,
}

impl Scene {
    /// A card of this place: `footer` says what happened after the name of the repository.
    pub(super) fn card(&self, tone: Tone, title: Link, footer: &[String]) -> Card {
        let parts = std::iter::once(&self.repo).chain(footer).filter(|part| !part.is_empty());
        Card {
            tone: Some(tone),
            author: self.author.clone(),
            title: Some(title),
            footer: Some(parts.map(String::as_str).collect::<Vec<_>>().join(" · ")),
            ..Card::default()
        }
    }

    /// `**star** in [saltmarsh/kestrel](…) by ola`: what we have no better words for.
    pub(super) fn line(&self, what: &str) -> Result<Outcome, Refusal> {
        let mut said = format!("**{}**", escape(&one_line(what, 100)));
        if !self.repo.is_empty() {
            said.push_str(" in ");
            said.push_str(&link(&self.repo, self.repo_url.as_deref()));
        }
        if let Some(author) = &self.author {
            said.push_str(" by ");
            said.push_str(&link(&author.text, author.url.as_deref()));
        }
        Said::line(&said).map(post)
    }
}

/// A push to a branch or a tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Push<'a> {
    /// `refs/heads/main`.
    pub(super) reference: &'a str,
    pub(super) created: bool,
    pub(super) deleted: bool,
    pub(super) forced: bool,
    /// Oldest first.
    pub(super) commits: &'a [Value],
    /// How many there were, if the list is shorter.
    pub(super) total: usize,
    /// The difference, or the branch.
    pub(super) url: Option<String>,
}

impl Push<'_> {
    /// What became of the branch or tag, and the first commits.
    pub(super) fn card(&self, scene: &Scene) -> Card {
        let (kind, name) = named_reference(self.reference);
        let total = self.total.max(self.commits.len());
        let counted = if total == 1 { "1 commit".to_owned() } else { format!("{total} commits") };
        let (tone, title) = match (self.deleted, self.created, total) {
            (true, ..) => (Tone::Warn, format!("Deleted {kind} {name}")),
            (_, true, 0) => (Tone::Info, format!("New {kind} {name}")),
            (_, true, _) => (Tone::Info, format!("New {kind} {name} with {counted}")),
            _ if self.forced => (Tone::Warn, format!("Forced {kind} {name} to {counted}")),
            (_, _, 0) => (Tone::Info, format!("Moved {kind} {name}")),
            _ => (Tone::Info, format!("{counted} to {name}")),
        };
        let title = Link { text: one_line(&title, TITLE_MAX), url: self.url.clone() };
        let mut card = scene.card(tone, title, &[]);
        if !self.deleted {
            card.text_md = self.listed(total);
        }
        card
    }

    fn listed(&self, total: usize) -> String {
        let mut lines: Vec<String> = self.commits.iter().take(COMMITS_SHOWN).map(commit).collect();
        let more = total.saturating_sub(lines.len());
        if more > 0 && !lines.is_empty() {
            lines.push(format!("- and {more} more"));
        }
        lines.join("\n")
    }
}

/// ``- [`1a2b3c4`](…) first line, by whom``.
fn commit(value: &Value) -> String {
    let sha = short_sha(&text(value, "id"));
    let message = text(value, "message");
    let subject = one_line(message.trim().lines().next().unwrap_or_default(), SUBJECT_MAX);
    let who = [line(value, "author.name", 60), line(value, "author.username", 60)]
        .into_iter()
        .find(|name| !name.is_empty());
    let sha = match url(value, "url") {
        Some(url) if !sha.is_empty() => format!("[{}]({url})", code(&sha)),
        _ => code(&sha),
    };
    let who = who.map(|name| format!(" ({})", escape(&name))).unwrap_or_default();
    format!("- {sha} {}{who}", escape(&subject))
}

/// `branch main` of `refs/heads/main`.
pub(super) fn named_reference(reference: &str) -> (&'static str, String) {
    let (kind, name) = match reference.split_once("refs/tags/") {
        Some(("", name)) => ("tag", name),
        _ => ("branch", reference.strip_prefix("refs/heads/").unwrap_or(reference)),
    };
    (kind, one_line(name, 100))
}

/// The first seven digits, if it is one.
pub(super) fn short_sha(sha: &str) -> String {
    if sha.len() >= 7 && sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        sha[..7].to_owned()
    } else {
        String::new()
    }
}

/// No commit: the side of a push where the branch is not.
pub(super) fn is_zero(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|byte| byte == b'0')
}

/// `#1284 fix(web-sm): replay from next sequence`.
pub(super) fn numbered(mark: char, number: &str, title: &str, url: Option<String>) -> Link {
    let number = if number.is_empty() { String::new() } else { format!("{mark}{number} ") };
    Link { text: one_line(&format!("{number}{title}"), TITLE_MAX), url }
}

/// A description or a comment, written in Markdown, cut; comments that only templates see are left out.
pub(super) fn described(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    while let Some((before, hidden)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = hidden.split_once("-->").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    let cut = shorten(out.trim(), TEXT_MAX);
    // A fence that was cut open would swallow what follows.
    if cut.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1 {
        format!("{cut}\n```")
    } else {
        cut
    }
}

/// How a run ended, in the words of GitHub, Gitea and GitLab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) tone: Tone,
    pub(super) word: &'static str,
}

impl Ending {
    /// None while it is not over, or was never begun.
    pub(super) fn of(conclusion: &str) -> Option<Self> {
        let (tone, word) = match conclusion {
            "success" | "passed" => (Tone::Ok, "passed"),
            "failure" | "failed" | "error" => (Tone::Bad, "failed"),
            "startup_failure" => (Tone::Bad, "could not start"),
            "timed_out" => (Tone::Bad, "ran out of time"),
            "cancelled" | "canceled" => (Tone::Warn, "was cancelled"),
            "action_required" => (Tone::Warn, "needs somebody to act"),
            "stale" => (Tone::Warn, "went stale"),
            "neutral" => (Tone::Info, "ended neutrally"),
            _ => return None,
        };
        Some(Self { tone, word })
    }

    /// `passed in 3 min 12 s`.
    pub(super) fn after(self, seconds: Option<i64>) -> String {
        match seconds.and_then(lasted) {
            Some(lasted) => format!("{} in {lasted}", self.word),
            None => self.word.to_owned(),
        }
    }
}

/// `3 min 12 s`; none for what is no time.
pub(super) fn lasted(seconds: i64) -> Option<String> {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    Some(match seconds {
        ..=0 => return None,
        1..60 => format!("{rest} s"),
        60..3_600 if rest == 0 => format!("{minutes} min"),
        60..3_600 => format!("{minutes} min {rest} s"),
        3_600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    })
}

/// A card is the whole message.
pub(super) fn one(card: Card) -> Result<Outcome, Refusal> {
    Said::card(card).map(post)
}

/// Nothing worth a message.
#[expect(clippy::unnecessary_wraps, reason = "ends a reader, as the others do")]
pub(super) fn ignore(why: impl Into<String>) -> Result<Outcome, Refusal> {
    Ok(Outcome::Ignore(why.into()))
}

fn post(said: Said) -> Outcome {
    Outcome::Post(Box::new(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        for (seconds, expected) in [
            (-5, None),
            (0, None),
            (12, Some("12 s")),
            (192, Some("3 min 12 s")),
            (180, Some("3 min")),
            (7_500, Some("2 h 5 min")),
            (100_000, Some("1 d 3 h")),
        ] {
            assert_eq!(lasted(seconds).as_deref(), expected);
        }
    }

    #[test]
    fn references_have_a_kind() {
        assert_eq!(named_reference("refs/heads/feature/x"), ("branch", "feature/x".to_owned()));
        assert_eq!(named_reference("refs/tags/v1"), ("tag", "v1".to_owned()));
        assert_eq!(named_reference("main"), ("branch", "main".to_owned()));
        assert_eq!(short_sha("日本語日本語日本語"), "");
    }

    #[test]
    fn descriptions_are_cut_and_closed() {
        assert_eq!(described("<!-- say what -->\nFixes it.<!-- open"), "Fixes it.");
        let long = described(&format!("```\n{}", "line\n".repeat(300)));
        assert!(long.ends_with("\n```") && long.chars().count() < TEXT_MAX + 10);
    }
}
