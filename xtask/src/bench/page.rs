//! The first page of a browser: how long it takes and how large it and what it loads is; and what hostile text costs to draw.

use std::time::{Duration, Instant};

use ajet_shared::markdown::{plain, to_html, to_spans};
use anyhow::{Context as _, bail};
use reqwest::header::{ACCEPT_ENCODING, COOKIE};

use super::room::{Room, client};
use super::table;

/// Loads of the page.
const LOADS: usize = 50;
/// No text may take longer to draw. Source: delivery-and-security.md A73.
const DRAWN_WITHIN: Duration = Duration::from_millis(100);

pub(super) async fn run() -> anyhow::Result<()> {
    let room = Room::open(0).await?;
    for number in 0..50 {
        let body =
            format!("Line **{number}** of the page, with `code` and https://example.org/{number}");
        room.post(&room.http, &room.tokens[0], &room.channel, &body).await?;
    }
    let sync = room.get("/api/sync").await?;
    let slug = sync["communities"][0]["slug"].as_str().context("slug")?;
    let path = format!("/c/{slug}/channels/general");
    let mut times = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        let started = Instant::now();
        load(&room, &path, "gzip").await?;
        times.push(started.elapsed());
    }
    table::times("page with 50 messages, gzip", times);
    let html = load(&room, &path, "identity").await?;
    size("HTML", html.len(), load(&room, &path, "gzip").await?.len());
    let html = String::from_utf8(html)?;
    let (mut plain_sum, mut gzip_sum) = (html.len(), load(&room, &path, "gzip").await?.len());
    for asset in assets(&html) {
        let whole = load(&room, &asset, "identity").await?.len();
        let gzip = load(&room, &asset, "gzip").await?.len();
        size(asset.rsplit('/').next().unwrap_or(&asset), whole, gzip);
        plain_sum += whole;
        gzip_sum += gzip;
    }
    size("first view, together", plain_sum, gzip_sum);
    hostile()
}

async fn load(room: &Room, path: &str, encoding: &str) -> anyhow::Result<Vec<u8>> {
    let answer = client()?
        .get(format!("{}{path}", room.url))
        .header(COOKIE, format!("ajet_session={}", room.tokens[0]))
        .header(ACCEPT_ENCODING, encoding)
        .send()
        .await?
        .error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}

/// The style sheets and scripts of a page.
fn assets(html: &str) -> Vec<String> {
    let mut assets: Vec<String> = html
        .split(['"', '\''])
        .filter(|text| {
            let path = text.split('?').next().unwrap_or_default();
            text.starts_with("/assets/") && [".css", ".js"].iter().any(|kind| path.ends_with(kind))
        })
        .map(str::to_owned)
        .collect();
    assets.sort();
    assets.dedup();
    assets
}

fn size(what: &str, bytes: usize, gzip: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let kilobytes = |bytes: usize| bytes as f64 / 1_000.0;
    table::figure(
        what,
        &format!("{:>7.1} kB   {:>7.1} kB gzip", kilobytes(bytes), kilobytes(gzip)),
    );
}

/// Texts made to be slow (A73), each as large as a message may be, drawn in every way there is.
fn hostile() -> anyhow::Result<()> {
    let mut worst = ("", Duration::ZERO);
    let mut times = Vec::new();
    for (name, text) in bombs() {
        let text: String = text.chars().take(16_000).collect();
        let started = Instant::now();
        let _ = (to_html(&text, &|_| None), to_spans(&text, 80), plain(&text, 200));
        let took = started.elapsed();
        times.push(took);
        if took > worst.1 {
            worst = (name, took);
        }
    }
    table::times_and(
        "hostile Markdown, drawn in three ways",
        times,
        &format!("worst: {}", worst.0),
    );
    // A debug build is ten times slower and promises nothing.
    if worst.1 > DRAWN_WITHIN && !cfg!(debug_assertions) {
        bail!("{} took {:?} to draw", worst.0, worst.1);
    }
    Ok(())
}

fn bombs() -> Vec<(&'static str, String)> {
    let columns = "|a".repeat(500);
    vec![
        ("brackets", "[".repeat(16_000)),
        ("quotes", ">".repeat(16_000)),
        ("nested lists", (0..500).map(|depth| " ".repeat(depth % 40) + "- x\n").collect()),
        ("emphasis", "*a_".repeat(6_000)),
        ("stars", "*".repeat(16_000)),
        ("backticks", (1..170).map(|count| "`".repeat(count) + " ").collect()),
        ("links", "[a](".repeat(4_000)),
        ("images", "![".repeat(8_000)),
        (
            "table",
            format!("{columns}|\n{}|\n{}", "|-".repeat(500), format!("{columns}|\n").repeat(14)),
        ),
        ("references", "[a]: x\n".repeat(2_000) + &"[a]".repeat(600)),
        ("html", "<a <b <!--".repeat(1_600)),
        ("entities", "&amp;&#x26;".repeat(1_400)),
        ("autolinks", "https://a.b/c(".repeat(1_100)),
        ("mentions", "@mara ".repeat(2_600)),
        ("strikes", "~~a~".repeat(4_000)),
        ("setext", "a\n=\n".repeat(4_000)),
    ]
}
