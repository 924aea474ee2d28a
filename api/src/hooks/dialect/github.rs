//! Events of GitHub, and of Gitea once its names are GitHub's (section 4.3).

use ajet_shared::webhook::{Link, Tone};
use serde_json::Value;

use super::escape::one_line;
use super::forge::{
    Ending, Push, Scene, described, ignore, is_zero, named_reference, numbered, one, short_sha,
};
use super::json::{at, flag, line, moment, number, text, url};
use super::slack::objects;
use super::{Outcome, Refusal};

/// Reads an event.
pub(super) fn read(event: &str, value: &Value) -> Result<Outcome, Refusal> {
    if !value.is_object() {
        return Err(Refusal::InvalidPayload);
    }
    let scene = scene(value);
    let action = text(value, "action");
    match event {
        "ping" => ignore("A ping: the webhook is set up."),
        "push" => push(&scene, value),
        "pull_request" => pull_request(&scene, value, &action),
        "pull_request_review" => review(&scene, value, &action),
        "issues" => issue(&scene, value, &action),
        "issue_comment"
        | "pull_request_review_comment"
        | "commit_comment"
        | "discussion_comment" => comment(&scene, value, &action),
        "discussion" => discussion(&scene, value, &action),
        "workflow_run" => run(&scene, value, "workflow_run"),
        "workflow_job" => run(&scene, value, "workflow_job"),
        "check_run" => run(&scene, value, "check_run"),
        "check_suite" => run(&scene, value, "check_suite"),
        "status" => status(&scene, value),
        "deployment_status" => deployment(&scene, value),
        "release" => release(&scene, value, &action),
        "create" | "delete" => reference(&scene, value, event == "delete"),
        "fork" => fork(&scene, value),
        "star" | "watch" | "label" | "milestone" | "page_build" | "deployment" | "meta" => {
            ignore(format!("Nobody needs a message for {event}."))
        }
        "" => scene.line("something"),
        other if action.is_empty() => scene.line(&other.replace('_', " ")),
        other => scene.line(&format!("{other} {action}").replace('_', " ")),
    }
}

/// Repository and sender.
pub(super) fn scene(value: &Value) -> Scene {
    let repo = [line(value, "repository.full_name", 150), line(value, "organization.login", 150)];
    let who = ["sender.login", "sender.username", "pusher.login", "pusher.name"];
    let who = who.into_iter().map(|path| line(value, path, 80)).find(|name| !name.is_empty());
    Scene {
        repo: repo.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
        repo_url: url(value, "repository.html_url"),
        author: who.map(|text| Link { text, url: url(value, "sender.html_url") }),
    }
}

fn push(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let reference = text(value, "ref");
    let commits = objects(value, "commits")?;
    let total = number(value, "total_commits").and_then(|total| usize::try_from(total).ok());
    let is_new = |path| is_zero(&text(value, path));
    let push = Push {
        reference: &reference,
        created: flag(value, "created").unwrap_or_else(|| is_new("before")),
        deleted: flag(value, "deleted").unwrap_or_else(|| is_new("after")),
        forced: flag(value, "forced").unwrap_or(false),
        commits,
        total: total.unwrap_or(0),
        url: url(value, "compare").or_else(|| url(value, "compare_url")),
    };
    one(push.card(scene))
}

/// Title of what has a number, a title and a page.
fn subject(value: &Value, path: &str) -> Link {
    let inside = at(value, path);
    let number = line(inside, "number", 20);
    numbered('#', &number, &text(inside, "title"), url(inside, "html_url"))
}

fn pull_request(scene: &Scene, value: &Value, action: &str) -> Result<Outcome, Refusal> {
    let request = at(value, "pull_request");
    let base = line(request, "base.ref", 100);
    let head = line(request, "head.ref", 100);
    let draft = flag(request, "draft").unwrap_or(false);
    let (tone, did) = match action {
        "opened" if draft => (Tone::Info, "opened as a draft".to_owned()),
        "opened" => (Tone::Info, "opened".to_owned()),
        "reopened" => (Tone::Info, "reopened".to_owned()),
        "ready_for_review" => (Tone::Info, "ready for review".to_owned()),
        "converted_to_draft" => (Tone::Info, "a draft again".to_owned()),
        "closed" if flag(request, "merged") == Some(true) => {
            (Tone::Ok, format!("merged into {base}"))
        }
        "closed" => (Tone::Warn, "closed without merging".to_owned()),
        "review_requested" => (Tone::Info, asked(value)),
        other => return ignore(quiet("pull request", other)),
    };
    let mut footer = vec![did];
    if action == "opened" {
        footer.push(format!("{head} → {base}"));
        footer.extend(changes(request));
    }
    let mut card = scene.card(tone, subject(value, "pull_request"), &footer);
    if matches!(action, "opened" | "ready_for_review") {
        card.text_md = described(&text(request, "body"));
    }
    one(card)
}

fn asked(value: &Value) -> String {
    let who = [line(value, "requested_reviewer.login", 80), line(value, "requested_team.name", 80)];
    let who = who.into_iter().find(|who| !who.is_empty());
    who.map_or("review wanted".to_owned(), |who| format!("review wanted from {who}"))
}

/// `+120 −14 in 6 files`.
fn changes(request: &Value) -> Option<String> {
    let files = number(request, "changed_files").filter(|files| *files > 0)?;
    let (more, less) = (number(request, "additions")?, number(request, "deletions")?);
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    Some(format!("+{more} −{less} in {files}"))
}

fn review(scene: &Scene, value: &Value, action: &str) -> Result<Outcome, Refusal> {
    let body = described(&text(value, "review.body"));
    let (tone, did) = match (action, text(value, "review.state").to_lowercase().as_str()) {
        ("submitted", "approved") => (Tone::Ok, "approved"),
        ("submitted", "changes_requested") => (Tone::Warn, "changes wanted"),
        ("submitted", "commented") if !body.is_empty() => (Tone::Info, "reviewed"),
        ("dismissed", _) => (Tone::Info, "review dismissed"),
        _ => return ignore(quiet("review", action)),
    };
    let mut title = subject(value, "pull_request");
    title.url = url(value, "review.html_url").or(title.url);
    let mut card = scene.card(tone, title, &[did.to_owned()]);
    card.text_md = body;
    one(card)
}

fn issue(scene: &Scene, value: &Value, action: &str) -> Result<Outcome, Refusal> {
    let not_planned = text(value, "issue.state_reason") == "not_planned";
    let (tone, did) = match action {
        "opened" => (Tone::Info, "issue opened"),
        "reopened" => (Tone::Info, "issue reopened"),
        "closed" if not_planned => (Tone::Info, "issue closed as not planned"),
        "closed" => (Tone::Ok, "issue closed"),
        other => return ignore(quiet("issue", other)),
    };
    let mut card = scene.card(tone, subject(value, "issue"), &[did.to_owned()]);
    if action == "opened" {
        card.text_md = described(&text(value, "issue.body"));
    }
    one(card)
}

fn comment(scene: &Scene, value: &Value, action: &str) -> Result<Outcome, Refusal> {
    if !matches!(action, "created" | "") {
        return ignore(quiet("comment", action));
    }
    let on = ["issue", "pull_request", "discussion"];
    let mut title = if let Some(path) = on.into_iter().find(|path| at(value, path).is_object()) {
        subject(value, path)
    } else {
        let sha = short_sha(&text(value, "comment.commit_id"));
        Link { text: format!("Commit {sha}").trim_end().to_owned(), url: None }
    };
    title.url = url(value, "comment.html_url").or(title.url);
    let mut card = scene.card(Tone::Info, title, &["comment".to_owned()]);
    card.text_md = described(&text(value, "comment.body"));
    one(card)
}

fn discussion(scene: &Scene, value: &Value, action: &str) -> Result<Outcome, Refusal> {
    let (tone, did) = match action {
        "created" => (Tone::Info, "discussion opened"),
        "answered" => (Tone::Ok, "discussion answered"),
        other => return ignore(quiet("discussion", other)),
    };
    let mut card = scene.card(tone, subject(value, "discussion"), &[did.to_owned()]);
    if action == "created" {
        card.text_md = described(&text(value, "discussion.body"));
    }
    one(card)
}

/// A run of a workflow, one of its jobs, or a check of another system.
fn run(scene: &Scene, value: &Value, path: &str) -> Result<Outcome, Refusal> {
    let run = at(value, path);
    let conclusion = text(run, "conclusion");
    let Some(ending) = Ending::of(&conclusion) else {
        return ignore(match conclusion.as_str() {
            "" => "It is not over yet.".to_owned(),
            other => quiet("run", other),
        });
    };
    let names = ["name", "app.name"].map(|path| line(run, path, 120));
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "Checks".into());
    let about = [line(run, "display_title", 150), line(run, "head_commit.message", 150)];
    let about = about.into_iter().find(|about| !about.is_empty());
    let text = about.map_or(name.clone(), |about| format!("{name}: {about}"));
    let started = ["run_started_at", "started_at", "created_at"]
        .into_iter()
        .find_map(|path| moment(run, path));
    let ended = ["completed_at", "updated_at"].into_iter().find_map(|path| moment(run, path));
    let seconds = started.zip(ended).map(|(start, end)| (end - start).whole_seconds());
    let mut footer = vec![format!("{name} · {}", ending.after(seconds))];
    footer.extend(place(run, value));
    let title = Link {
        text: numbered('#', &line(run, "run_number", 20), &text, None).text,
        url: ["html_url", "details_url", "url"].into_iter().find_map(|path| url(run, path)),
    };
    one(scene.card(ending.tone, title, &footer))
}

/// `main at 1a2b3c4`.
fn place(run: &Value, value: &Value) -> Option<String> {
    let branches = [line(run, "head_branch", 100), line(run, "check_suite.head_branch", 100)];
    let branch = branches.into_iter().find(|branch| !branch.is_empty())?;
    let sha = [text(run, "head_sha"), text(value, "sha")].map(|sha| short_sha(&sha));
    match sha.into_iter().find(|sha| !sha.is_empty()) {
        Some(sha) => Some(format!("{branch} at {sha}")),
        None => Some(branch),
    }
}

fn status(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let Some(ending) = Ending::of(&text(value, "state")) else {
        return ignore("It is not over yet.");
    };
    let context = line(value, "context", 120);
    let sha = short_sha(&text(value, "sha"));
    let title = Link {
        text: format!("{context}: {}", first_line(value, "commit.commit.message")),
        url: url(value, "target_url").or_else(|| url(value, "commit.html_url")),
    };
    let mut card = scene.card(ending.tone, title, &[format!("{context} · {}", ending.word), sha]);
    card.text_md = super::escape::escape(&line(value, "description", 300));
    one(card)
}

fn first_line(value: &Value, path: &str) -> String {
    one_line(text(value, path).trim().lines().next().unwrap_or_default(), 150)
}

fn deployment(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let Some(ending) = Ending::of(&text(value, "deployment_status.state")) else {
        return ignore("It is not over yet.");
    };
    let to = line(value, "deployment.environment", 100);
    let reference = line(value, "deployment.ref", 100);
    let title = Link {
        text: format!("Deployment of {reference} to {to}"),
        url: ["environment_url", "log_url", "target_url"]
            .into_iter()
            .find_map(|path| url(at(value, "deployment_status"), path)),
    };
    let mut card = scene.card(ending.tone, title, &[ending.word.to_owned()]);
    let said = line(value, "deployment_status.description", 300);
    card.text_md = super::escape::escape(&said);
    one(card)
}

fn release(scene: &Scene, value: &Value, action: &str) -> Result<Outcome, Refusal> {
    if action != "published" {
        return ignore(quiet("release", action));
    }
    let tag = line(value, "release.tag_name", 100);
    let name = line(value, "release.name", 200);
    let title = if name.contains(&tag) && !name.is_empty() {
        name
    } else {
        format!("{tag} {name}").trim().to_owned()
    };
    let early = flag(value, "release.prerelease") == Some(true);
    let kind = if early { "pre-release" } else { "release" };
    let title = Link { text: title, url: url(value, "release.html_url") };
    let mut card = scene.card(Tone::Ok, title, &[format!("{kind} published")]);
    card.text_md = described(&text(value, "release.body"));
    one(card)
}

fn reference(scene: &Scene, value: &Value, deleted: bool) -> Result<Outcome, Refusal> {
    let (kind, name) = named_reference(&text(value, "ref"));
    let kind = match text(value, "ref_type").as_str() {
        "tag" => "tag",
        "branch" => "branch",
        _ => kind,
    };
    let (tone, did) = if deleted { (Tone::Warn, "Deleted") } else { (Tone::Info, "New") };
    let title = Link { text: format!("{did} {kind} {name}"), url: scene.repo_url.clone() };
    one(scene.card(tone, title, &[]))
}

fn fork(scene: &Scene, value: &Value) -> Result<Outcome, Refusal> {
    let name = line(value, "forkee.full_name", 150);
    let title = Link { text: format!("Forked to {name}"), url: url(value, "forkee.html_url") };
    one(scene.card(Tone::Info, title, &[]))
}

/// Why something is no message.
fn quiet(what: &str, action: &str) -> String {
    let action = one_line(&action.replace('_', " "), 40);
    match action.as_str() {
        "" => format!("Nobody needs a message for this {what}."),
        action => format!("Nobody needs a message for a {what} that was {action}."),
    }
}
