//! `cargo xtask login`: signs in as anybody, by the same steps a browser takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use ajet_shared::names::{CommunityName, CommunitySlug};
use anyhow::{Context as _, bail};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use url::Url;

use crate::cli::LoginOptions;
use crate::info::Info;
use crate::paths;

/// Name of the only provider of a development stack.
const PROVIDER: &str = "dev";

/// Signs in and prints the session's token, alone, on standard output.
pub(crate) async fn run(options: &LoginOptions) -> anyhow::Result<ExitCode> {
    println!("{}", token(options).await?);
    Ok(ExitCode::SUCCESS)
}

/// Signs in and gives the session's token.
pub(crate) async fn token(options: &LoginOptions) -> anyhow::Result<String> {
    let file = stack_file();
    let mut info =
        Info::read(&file).context("no stack is running; start one with `cargo xtask dev`")?;
    let token = sign_in(&mut info, options).await?;
    // What was learned about the owner is of use next time.
    info.write(&file)?;
    Ok(token)
}

/// The surrounding stack, else the development stack.
fn stack_file() -> PathBuf {
    std::env::var_os("AJET_RUN_DIR")
        .map_or_else(paths::dev_stack, |folder| PathBuf::from(folder).join("stack.json"))
}

async fn sign_in(info: &mut Info, options: &LoginOptions) -> anyhow::Result<String> {
    let name = options.name.as_str();
    if let Some(title) = &options.community {
        if info.owner.is_some() {
            bail!("a community exists already; leave out --community");
        }
        let token = Browser::new(info)?.set_up(title, &info.setup_token, name).await?;
        info.owner = Some(name.to_owned());
        info.owner_session = Some(token.clone());
        return Ok(token);
    }
    if let Outcome::SignedIn(token) = Browser::new(info)?.sign_in(name, None).await? {
        return Ok(token);
    }
    // Not a member yet.
    let Some(owner) = info.owner.clone() else {
        bail!(
            "{name} is not a member, and no owner is known here to invite them; the first one to sign in creates the community: cargo xtask login {name} --community \"Title\""
        );
    };
    let invite = invite(info, &owner).await?;
    match Browser::new(info)?.sign_in(name, Some(&invite)).await? {
        Outcome::SignedIn(token) => Ok(token),
        Outcome::Refused(status, reason) => {
            bail!("{name} is refused also with an invite ({status}): {reason}")
        }
    }
}

/// An invite made by the owner, whose session is remembered.
async fn invite(info: &mut Info, owner: &str) -> anyhow::Result<String> {
    if let Some(session) = &info.owner_session
        && let Some(code) = new_invite(&info.url, session).await?
    {
        return Ok(code);
    }
    let session = match Browser::new(info)?.sign_in(owner, None).await? {
        Outcome::SignedIn(session) => session,
        Outcome::Refused(status, reason) => {
            bail!("the owner {owner} cannot sign in ({status}): {reason}")
        }
    };
    let code =
        new_invite(&info.url, &session).await?.context("the owner's new session is refused")?;
    info.owner_session = Some(session);
    Ok(code)
}

/// Makes an invite, or nothing when the session is over.
async fn new_invite(url: &str, session: &str) -> anyhow::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Communities {
        items: Vec<Community>,
    }
    #[derive(Deserialize)]
    struct Community {
        id: String,
    }
    #[derive(Deserialize)]
    struct Invite {
        code: String,
    }
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(format!("{url}/api/communities")).bearer_auth(session).send().await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        return Ok(None);
    }
    let communities: Communities = answer.error_for_status()?.json().await?;
    let community = communities.items.first().context("the owner is in no community")?;
    let address = format!("{url}/api/communities/{}/invites", community.id);
    let answer = http
        .post(address)
        .bearer_auth(session)
        .json(&serde_json::json!({ "max_uses": 1 }))
        .send()
        .await?;
    let invite: Invite = answer.error_for_status()?.json().await?;
    Ok(Some(invite.code))
}

enum Outcome {
    SignedIn(String),
    Refused(StatusCode, String),
}

/// As much of a browser as signing in takes: cookies, and redirects followed by hand.
struct Browser {
    http: reqwest::Client,
    base: Url,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(info: &Info) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .user_agent("ajet-xtask")
            .build()?;
        Ok(Self { http, base: Url::parse(&info.url)?, cookies: BTreeMap::new() })
    }

    /// Signs in at the provider, with an invite where one is needed.
    async fn sign_in(mut self, name: &str, invite: Option<&str>) -> anyhow::Result<Outcome> {
        let mut start = self.base.join(&format!("/auth/{PROVIDER}/start"))?;
        if let Some(invite) = invite {
            start.query_pairs_mut().append_pair("invite", invite);
        }
        let answer = self.send(self.http.get(start)).await?;
        self.authorize(answer, name).await
    }

    /// Fills in the form of the first start and signs in as the owner.
    async fn set_up(
        mut self,
        title: &str,
        setup_token: &str,
        owner: &str,
    ) -> anyhow::Result<String> {
        let name: CommunityName = title.parse().context("the title")?;
        let slug = CommunitySlug::from_name(&name);
        let form = [
            ("token", setup_token),
            ("name", title),
            ("slug", slug.as_str()),
            ("provider", PROVIDER),
        ];
        let request = self.http.post(self.base.join("/setup")?).form(&form);
        let request = request.header(ORIGIN, self.base.origin().ascii_serialization());
        let answer = self.send(request).await?;
        match self.authorize(answer, owner).await? {
            Outcome::SignedIn(token) => Ok(token),
            Outcome::Refused(status, reason) => bail!("the set-up is refused ({status}): {reason}"),
        }
    }

    /// Follows the redirect to the provider, authorizes there as `name`, and comes back.
    async fn authorize(&mut self, answer: Response, name: &str) -> anyhow::Result<Outcome> {
        let Some(mut provider) = location(&answer, &self.base)? else {
            return refused(answer).await;
        };
        provider.query_pairs_mut().append_pair("login", name);
        // Another site: our cookies stay at home.
        let answer = self
            .http
            .get(provider.clone())
            .send()
            .await
            .context("the sign-in provider does not answer")?;
        let Some(callback) = location(&answer, &provider)? else { return refused(answer).await };
        let answer = self.send(self.http.get(callback)).await?;
        let session =
            ["__Host-ajet_session", "ajet_session"].iter().find_map(|name| self.cookies.get(*name));
        match session.filter(|session| !session.is_empty()) {
            Some(session) => Ok(Outcome::SignedIn(session.clone())),
            None => refused(answer).await,
        }
    }

    /// Sends a request to the application with its cookies, and keeps those of the answer.
    async fn send(&mut self, request: RequestBuilder) -> anyhow::Result<Response> {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) };
        let answer =
            request.send().await.with_context(|| format!("{} does not answer", self.base))?;
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair =
                cookie.to_str().ok().and_then(|cookie| cookie.split(';').next()?.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        Ok(answer)
    }
}

/// Where an answer redirects to.
fn location(answer: &Response, base: &Url) -> anyhow::Result<Option<Url>> {
    if !answer.status().is_redirection() {
        return Ok(None);
    }
    let target = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    target.map(|target| base.join(target).context("a redirect to nowhere")).transpose()
}

/// What a page or problem says, without its markup, cut to a line or two.
async fn refused(answer: Response) -> anyhow::Result<Outcome> {
    let status = answer.status();
    let body = answer.text().await?;
    let visible = body.rsplit_once("</head>").map_or(body.as_str(), |(_, visible)| visible);
    let mut inside_tag = false;
    let text: String = visible
        .chars()
        .filter_map(|letter| match letter {
            '<' => {
                inside_tag = true;
                Some(' ')
            }
            '>' if inside_tag => {
                inside_tag = false;
                None
            }
            _ => (!inside_tag).then_some(letter),
        })
        .collect();
    let text: Vec<_> = text.split_whitespace().collect();
    Ok(Outcome::Refused(status, text.join(" ").chars().take(300).collect()))
}
