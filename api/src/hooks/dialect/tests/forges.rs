//! Events of forges and alerts, one golden case each.

use ajet_shared::webhook::Tone;
use serde_json::{Value, json};

use super::*;

const REPO: &str = "saltmarsh/kestrel";

#[test]
fn github_pushes() {
    let push = github("push", payload!("github_push"));
    expect(
        &push,
        Tone::Info,
        "7 commits to main",
        "https://forge.example/saltmarsh/kestrel/compare/aaa...bbb",
        "ola-brandt",
        REPO,
    );
    let lines: Vec<&str> = card(&push).text_md.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(
        lines[0]
            .starts_with("- [`1a2b3c4`](https://forge.example/saltmarsh/kestrel/commit/1a2b3c4")
    );
    assert!(
        lines[0].ends_with(") fix(web-sm): replay from next sequence (Mara Voss)"),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains("test: \\*gap\\* after \\`kill -9\\`"), "{}", lines[1]);
    assert_eq!(lines[5], "- and 2 more");
    assert!(said(&push).fallback_md.contains("**[7 commits to main](https://"));

    let tag = github("push", payload!("github_tag"));
    assert_eq!(summary(&tag).1, "New tag v0.9.0");
    for (changes, tone, title) in [
        (json!({ "forced": true }), Tone::Warn, "Forced branch main to 7 commits"),
        (json!({ "deleted": true }), Tone::Warn, "Deleted branch main"),
        (json!({ "created": true }), Tone::Info, "New branch main with 7 commits"),
    ] {
        let changes: Vec<(String, Value)> = changes
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (format!("/{key}"), value.clone()))
            .collect();
        let changes: Vec<_> =
            changes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let reading = github("push", &changed(payload!("github_push"), &changes));
        assert_eq!((summary(&reading).0, summary(&reading).1), (Some(tone), title.to_owned()));
    }
}

#[test]
fn github_pull_requests_and_reviews() {
    let opened = github("pull_request", payload!("github_pull_request"));
    let url = "https://forge.example/saltmarsh/kestrel/pull/1284";
    let title = "#1284 fix(web-sm): replay from next sequence";
    let footer = "saltmarsh/kestrel · opened · fix/replay → main · +120 −14 in 6 files";
    expect(&opened, Tone::Info, title, url, "ola-brandt", footer);
    assert!(card(&opened).text_md.starts_with("The replay began at the **last** sequence."));
    for (changes, tone, word) in [
        (
            vec![("/action", json!("closed")), ("/pull_request/merged", json!(true))],
            Tone::Ok,
            "merged into main",
        ),
        (vec![("/action", json!("closed"))], Tone::Warn, "closed without merging"),
        (vec![("/action", json!("reopened"))], Tone::Info, "reopened"),
        (vec![("/action", json!("ready_for_review"))], Tone::Info, "ready for review"),
    ] {
        let reading = github("pull_request", &changed(payload!("github_pull_request"), &changes));
        expect(&reading, tone, title, url, "ola-brandt", &format!("{REPO} · {word}"));
    }
    let review = github("pull_request_review", payload!("github_review"));
    expect(
        &review,
        Tone::Ok,
        title,
        &format!("{url}#review-1"),
        "mara-voss",
        "saltmarsh/kestrel · approved",
    );
    assert_eq!(card(&review).text_md, "Good catch.");
    for action in ["synchronize", "labeled", "edited", "assigned"] {
        let body = changed(payload!("github_pull_request"), &[("/action", json!(action))]);
        assert!(matches!(github("pull_request", &body).outcome, Outcome::Ignore(_)), "{action}");
    }
}

#[test]
fn github_issues_and_releases() {
    let issue = github("issues", payload!("github_issue"));
    let url = "https://forge.example/saltmarsh/kestrel/issues/77";
    let title = "#77 Badge stays after *reading*";
    expect(&issue, Tone::Info, title, url, "ola-brandt", "saltmarsh/kestrel · issue opened");
    assert!(said(&issue).fallback_md.contains("Badge stays after \\*reading\\*"));
    let comment = github("issue_comment", payload!("github_issue_comment"));
    expect(
        &comment,
        Tone::Info,
        title,
        &format!("{url}#c1"),
        "ola-brandt",
        "saltmarsh/kestrel · comment",
    );
    assert_eq!(card(&comment).text_md, "I see it too.");
    let release = github("release", payload!("github_release"));
    expect(
        &release,
        Tone::Ok,
        "Kestrel v0.9.0",
        "https://forge.example/saltmarsh/kestrel/releases/v0.9.0",
        "ola-brandt",
        "saltmarsh/kestrel · release published",
    );
    assert_eq!(
        summary(&github("delete", payload!("github_delete"))).1,
        "Deleted branch fix/replay"
    );
}

#[test]
fn github_runs() {
    let run = github("workflow_run", payload!("github_workflow_run"));
    expect(
        &run,
        Tone::Ok,
        "#214 Kestrel CI: fix(web-sm): replay from next sequence",
        "https://forge.example/saltmarsh/kestrel/actions/runs/9",
        "ola-brandt",
        "saltmarsh/kestrel · Kestrel CI · passed in 3 min 12 s · main at 1a2b3c4",
    );
    let check = github("check_run", payload!("github_check_run"));
    expect(
        &check,
        Tone::Bad,
        "clippy",
        "https://forge.example/saltmarsh/kestrel/runs/5",
        "ola-brandt",
        "saltmarsh/kestrel · clippy · failed in 41 s · fix/replay at 1a2b3c4",
    );
    for conclusion in [json!(null), json!("skipped")] {
        let body =
            changed(payload!("github_workflow_run"), &[("/workflow_run/conclusion", conclusion)]);
        assert!(matches!(github("workflow_run", &body).outcome, Outcome::Ignore(_)));
    }
}

#[test]
fn what_is_no_news_is_ignored_and_what_is_unknown_is_said() {
    let ping = github("ping", payload!("github_ping"));
    assert_eq!(ping.outcome, Outcome::Ignore("A ping: the webhook is set up.".to_owned()));
    for event in ["star", "watch"] {
        assert!(matches!(github(event, payload!("github_ping")).outcome, Outcome::Ignore(_)));
    }
    let strange = github("secret_scanning_alert", payload!("github_issue"));
    assert_eq!(
        said(&strange).text_md,
        "**secret scanning alert opened** in [saltmarsh/kestrel](https://forge.example/saltmarsh/kestrel) by [ola-brandt](https://forge.example/ola-brandt)"
    );
}

#[test]
fn gitea_events() {
    let push = gitea("push", payload!("gitea_push"));
    let compare = "https://forge.example/saltmarsh/kestrel/compare/aaa...bbb";
    expect(&push, Tone::Info, "1 commit to main", compare, "ola", REPO);
    let url = "https://forge.example/saltmarsh/kestrel/pull/1284";
    let title = "#1284 fix(web-sm): replay from next sequence";
    let merged = gitea("pull_request", payload!("gitea_merged"));
    expect(&merged, Tone::Ok, title, url, "ola", "saltmarsh/kestrel · merged into main");
    let rejected = gitea("pull_request_rejected", payload!("gitea_rejected"));
    expect(&rejected, Tone::Warn, title, url, "ola", "saltmarsh/kestrel · changes wanted");
    assert_eq!(card(&rejected).text_md, "Please add a test.");
    let labelled = gitea("issue_label", payload!("github_issue"));
    assert!(matches!(labelled.outcome, Outcome::Ignore(_)));
}

#[test]
fn gitlab_events() {
    let push = gitlab("Push Hook", payload!("gitlab_push"));
    let repo = "https://gitlab.example/saltmarsh/kestrel";
    let compare = format!("{repo}/-/compare/{}...{}", "a".repeat(40), "b".repeat(40));
    expect(&push, Tone::Info, "23 commits to main", &compare, "Ola Brandt", REPO);
    assert!(card(&push).text_md.ends_with("- and 20 more"));
    assert_eq!(push.event, "push");
    let tag = gitlab("Tag Push Hook", payload!("gitlab_tag"));
    assert_eq!(summary(&tag).1, "New tag v1");
    expect(
        &gitlab("Merge Request Hook", payload!("gitlab_merge_request")),
        Tone::Ok,
        "!12 Replay from next sequence",
        &format!("{repo}/-/merge_requests/12"),
        "Ola Brandt",
        "saltmarsh/kestrel · merged into main",
    );
    let pipeline = gitlab("Pipeline Hook", payload!("gitlab_pipeline"));
    expect(
        &pipeline,
        Tone::Bad,
        "#31 Pipeline: Replay from next sequence",
        &format!("{repo}/-/pipelines/31"),
        "Ola Brandt",
        "saltmarsh/kestrel · Pipeline · failed in 3 min 12 s · main at 1a2b3c4",
    );
    assert_eq!(card(&pipeline).text_md, "Failed: `clippy`");
    let running =
        changed(payload!("gitlab_pipeline"), &[("/object_attributes/status", json!("running"))]);
    assert!(matches!(gitlab("Pipeline Hook", &running).outcome, Outcome::Ignore(_)));
    let note = gitlab("Note Hook", payload!("gitlab_note"));
    assert_eq!(
        (summary(&note).1, card(&note).text_md.as_str()),
        ("!12 Replay from next sequence".to_owned(), "Why not `seq + 1`?")
    );
    assert_eq!(
        summary(&gitlab("Issue Hook", payload!("gitlab_issue"))).4,
        "saltmarsh/kestrel · issue closed"
    );
    assert_eq!(summary(&gitlab("Release Hook", payload!("gitlab_release"))).1, "v1.0 One");
}

#[test]
fn alerts() {
    let firing = read_json(&[], payload!("alertmanager_firing"));
    assert_eq!((firing.dialect, firing.event.as_str()), (Dialect::Alertmanager, "firing"));
    expect(
        &firing,
        Tone::Bad,
        "Firing: HighLatency (2 alerts)",
        "https://alerts.example",
        "",
        "chat · firing",
    );
    assert_eq!(
        card(&firing).text_md.lines().next(),
        Some(
            "- p99 of api-1 above 2 s · `instance=api-1` ([source](https://prom.example/graph?g0=1))"
        )
    );
    let resolved = read_json(&[], payload!("alertmanager_resolved"));
    expect(
        &resolved,
        Tone::Ok,
        "Resolved: HighLatency",
        "https://alerts.example",
        "",
        "chat · resolved · after 20 min",
    );
    let grafana = read_json(&[], payload!("grafana_firing"));
    assert_eq!(grafana.dialect, Dialect::Grafana);
    assert_eq!(summary(&grafana).1, "Firing: HighLatency");
    let actions: Vec<&str> = card(&grafana).actions.iter().map(|link| link.text.as_str()).collect();
    assert_eq!(actions, ["Source", "Dashboard", "Panel", "Silence", "Runbook"]);
}
