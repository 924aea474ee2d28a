//! Events of GitLab (section 4.3). What is not worth a message is ignored with a success: four refusals would switch the hook off for good.

use ajet_shared::webhook::{Link, Tone};
use serde_json::Value;

use super::escape::one_line;
use super::forge::{Ending, Push, Scene, described, ignore, is_zero, numbered, one, short_sha};
use super::json::{at, flag, line, number, text, url};
use super::slack::objects;
use super::{Outcome, Refusal};

/// Reads an event: `push`, `Push Hook`, whichever the sender said.
pub(super) fn read(event: &str, value: &Value) -> Result<Outcome, Refusal> {
    if !value.is_object() {
        return Err(Refusal::InvalidPayload);
    }
    let scene = scene(value);
    let kind = event.to_ascii_lowercase();
    match kind.strip_suffix(" hook").unwrap_or(&kind) {
        "push" | "tag_push" | "tag push" => push(&scene, value),
        "merge_request" | "merge request" => merge_request(&scene, value),
        "issue" | "work_item" | "confidential issue" => issue(&scene, value),
        "note" | "confidential note" => note(&scene, value),
        "pipeline" => pipeline(&scene, value),
        "build" | "job" => job(&scene, value),
        "release" => release(&scene, value),
        "deployment" => deployment(&scene, value),
        "wiki_page" | "wiki page" => wiki(&scene, value),
        "emoji" | "feature_flag" | "access_token" | "resource_access_token" => {
            ignore(format!("Nobody needs a message for {}.", one_line(&kind, 40)))
        }
        "" => scene.line("something"),
        other => scene.line(&other.replace('_', " ")),
    }
}

fn scene(value: &Value) -> Scene {
    let names = ["project.path_with_namespace", "project_name", "project.name", "group.full_path"];
    let who = ["user.name", "user_name", "user.username", "user_username"];
    let first = |paths: &[&str]| {
        paths.iter().map(|path| line(value, path, 150)).find(|name| !name.is_empty())
    };
    Scene {
        repo: first(&names).unwrap_or_default(),
        repo_url: url(value, "project.web_url").or_else(|| url(value, "repository.homepage")),
        author: first(&who).map(|text| Link { text, url: None }),
    }
}

fn push(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let reference = text(value, "ref");
    let (before, after) = (text(value, "before"), text(value, "after"));
    let total = number(value, "total_commits_count").and_then(|n| usize::try_from(n).ok());
    let page = scene.repo_url.as_ref().filter(|_| !is_zero(&after)).map(|repo| {
        match (short_sha(&before), short_sha(&after)) {
            (from, to) if !is_zero(&before) && !from.is_empty() && !to.is_empty() => {
                format!("{repo}/-/compare/{before}...{after}")
            }
            _ => repo.clone(),
        }
    });
    let push = Push {
        reference: &reference,
        created: is_zero(&before),
        deleted: is_zero(&after),
        forced: false,
        commits: objects(value, "commits")?,
        total: total.unwrap_or(0),
        url: page,
    };
    one(push.card(scene))
}

/// Title of a merge request (`!12`) or an issue (`#12`).
fn subject(value: &Value, mark: char, path: &str) -> Link {
    let inside = at(value, path);
    numbered(mark, &line(inside, "iid", 20), &text(inside, "title"), url(inside, "url"))
}

fn merge_request(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let request = at(value, "object_attributes");
    let target = line(request, "target_branch", 100);
    let source = line(request, "source_branch", 100);
    let draft = ["draft", "work_in_progress"].iter().any(|key| flag(request, key) == Some(true));
    let became_ready = flag(value, "changes.draft.previous") == Some(true)
        && flag(value, "changes.draft.current") == Some(false);
    let action = text(request, "action");
    let (tone, did) = match action.as_str() {
        "open" if draft => (Tone::Info, format!("opened as a draft · {source} → {target}")),
        "open" => (Tone::Info, format!("opened · {source} → {target}")),
        "reopen" => (Tone::Info, "reopened".to_owned()),
        "merge" => (Tone::Ok, format!("merged into {target}")),
        "close" => (Tone::Warn, "closed without merging".to_owned()),
        "approved" | "approval" => (Tone::Ok, "approved".to_owned()),
        "unapproved" | "unapproval" => (Tone::Warn, "approval taken back".to_owned()),
        "update" if became_ready => (Tone::Info, "ready for review".to_owned()),
        other => return ignore(quiet("merge request", other)),
    };
    let mut card = scene.card(tone, subject(value, '!', "object_attributes"), &[did]);
    if action == "open" || became_ready {
        card.text_md = described(&text(request, "description"));
    }
    one(card)
}

fn issue(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let action = text(value, "object_attributes.action");
    let (tone, did) = match action.as_str() {
        "open" => (Tone::Info, "issue opened"),
        "reopen" => (Tone::Info, "issue reopened"),
        "close" => (Tone::Ok, "issue closed"),
        other => return ignore(quiet("issue", other)),
    };
    let title = subject(value, '#', "object_attributes");
    let mut card = scene.card(tone, title, &[did.to_owned()]);
    if action == "open" {
        card.text_md = described(&text(value, "object_attributes.description"));
    }
    one(card)
}

fn note(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    if text(value, "object_attributes.action") == "update"
        || flag(value, "object_attributes.system") == Some(true)
    {
        return ignore("Nobody needs a message for a comment that was changed.");
    }
    let mut title = match text(value, "object_attributes.noteable_type").as_str() {
        "MergeRequest" => subject(value, '!', "merge_request"),
        "Issue" => subject(value, '#', "issue"),
        "Commit" => {
            let sha = short_sha(&text(value, "commit.id"));
            Link { text: format!("Commit {sha}").trim_end().to_owned(), url: None }
        }
        _ => Link { text: "Snippet".to_owned(), url: None },
    };
    title.url = url(value, "object_attributes.url").or(title.url);
    let mut card = scene.card(Tone::Info, title, &["comment".to_owned()]);
    card.text_md = described(&text(value, "object_attributes.note"));
    one(card)
}

fn pipeline(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let run = at(value, "object_attributes");
    let Some(ending) = Ending::of(&text(run, "status")) else {
        return ignore("It is not over yet.");
    };
    let id = line(run, "id", 20);
    let page = url(run, "url").or_else(|| {
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let repo = scene.repo_url.as_ref().filter(|_| is_number)?;
        Some(format!("{repo}/-/pipelines/{id}"))
    });
    let name = line(run, "name", 120);
    let name = if name.is_empty() { "Pipeline".to_owned() } else { name };
    let message = text(value, "commit.message");
    let subject = one_line(message.trim().lines().next().unwrap_or_default(), 150);
    let title = if subject.is_empty() { name.clone() } else { format!("{name}: {subject}") };
    let failed = failed_jobs(value)?;
    let footer = [
        format!("{name} · {}", ending.after(number(run, "duration"))),
        place(&line(run, "ref", 100), &text(run, "sha")),
    ];
    let mut card = scene.card(ending.tone, numbered('#', &id, &title, page), &footer);
    card.text_md = failed;
    one(card)
}

/// Which jobs made it fail.
fn failed_jobs(value: &Value) -> Result<String, Refusal> {
    let failed = objects(value, "builds")?
        .iter()
        .filter(|job| text(job, "status") == "failed" && flag(job, "allow_failure") != Some(true));
    let names: Vec<String> =
        failed.take(5).map(|job| super::escape::code(&line(job, "name", 80))).collect();
    Ok(if names.is_empty() { String::new() } else { format!("Failed: {}", names.join(", ")) })
}

/// `main at 1a2b3c4`.
fn place(branch: &str, sha: &str) -> String {
    match short_sha(sha) {
        sha if sha.is_empty() => branch.to_owned(),
        sha => format!("{branch} at {sha}"),
    }
}

fn job(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let Some(ending) = Ending::of(&text(value, "build_status")) else {
        return ignore("It is not over yet.");
    };
    let (id, name) = (line(value, "build_id", 20), line(value, "build_name", 120));
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let page = scene.repo_url.as_ref().filter(|_| is_number);
    let title = Link {
        text: format!("{}: {name}", line(value, "build_stage", 80)),
        url: page.map(|repo| format!("{repo}/-/jobs/{id}")),
    };
    let footer = [
        ending.after(number(value, "build_duration")),
        place(&line(value, "ref", 100), &text(value, "sha")),
    ];
    one(scene.card(ending.tone, title, &footer))
}

fn release(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let action = text(value, "action");
    if action != "create" {
        return ignore(quiet("release", &action));
    }
    let (tag, name) = (line(value, "tag", 100), line(value, "name", 200));
    let text = if name.contains(&tag) { name } else { format!("{tag} {name}") };
    let title = Link { text: text.trim().to_owned(), url: url(value, "url") };
    let mut card = scene.card(Tone::Ok, title, &["release published".to_owned()]);
    card.text_md = described(&self::text(value, "description"));
    one(card)
}

fn deployment(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let Some(ending) = Ending::of(&text(value, "status")) else {
        return ignore("It is not over yet.");
    };
    let (to, reference) = (line(value, "environment", 100), line(value, "ref", 100));
    let title = Link {
        text: format!("Deployment of {reference} to {to}"),
        url: url(value, "environment_external_url").or_else(|| url(value, "deployable_url")),
    };
    one(scene.card(ending.tone, title, &[ending.word.to_owned()]))
}

fn wiki(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let page = line(value, "object_attributes.title", 150);
    let did = text(value, "object_attributes.action");
    scene.line(&format!("wiki page {page} {did}"))
}

/// Why something is no message.
fn quiet(what: &str, action: &str) -> String {
    match one_line(action, 40).as_str() {
        "" => format!("Nobody needs a message for this {what}."),
        action => format!("Nobody needs a message for {action} of a {what}."),
    }
}
