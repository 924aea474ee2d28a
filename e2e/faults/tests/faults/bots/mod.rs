//! What `docs/events.md` tells people to type: its two bots are taken out of it and run, [`curl`] with a `Last-Event-ID` gets exactly
//! what was missed, and of an event of which only [`half`] has come nothing is lost.

mod curl;
mod half;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ajet_faults::{Person, Scene, Town, Truth};
use ajet_shared::actions::Scope;
use ajet_shared::api_token::CreateToken;
use ajet_shared::id::{ChannelId, ClientMessageId, MessageId, UserId};
use ajet_shared::message::{Message, PostMessage};
use ajet_shared::secret::Secret;
use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::Outcome;

const DOCS: &str = include_str!("../../../../../docs/events.md");
/// "ping"s of each part of the test.
const PINGS: usize = 8;
/// The pause between two of them.
const PACE: Duration = Duration::from_millis(150);
/// How long a bot may take to have answered all there is, and `curl` to have read it: a few pauses before coming back.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A bot as the page has it.
#[derive(Clone, Copy, Debug)]
struct Script {
    language: &'static str,
    interpreter: &'static str,
    bot: &'static str,
    /// What it needs beside it, as a file of this name.
    module: Option<(&'static str, &'static str)>,
}

impl Script {
    /// Both of them.
    fn all() -> anyhow::Result<[Self; 2]> {
        let (shell, python) = (examples("bash"), examples("python"));
        let [bash] = shell[..] else { bail!("docs/events.md has {} bots in bash", shell.len()) };
        let [follow, bot] = python[..] else { bail!("not a module and a bot in python") };
        let module = Some(("follow.py", follow));
        Ok([
            Self { language: "bash", interpreter: "bash", bot: bash, module: None },
            Self { language: "python", interpreter: "python3", bot, module },
        ])
    }
}

/// The examples of the page in a language.
fn examples(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    DOCS.split(&begin).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// A bot of the documentation, with the folder in which it keeps its place.
struct Bot {
    id: UserId,
    script: Script,
    folder: PathBuf,
    server: String,
    token: Secret,
    process: Option<Child>,
}

impl Bot {
    /// Somebody new, in `channel`, whose program is `script`.
    async fn move_in(
        scene: &Scene,
        town: &Town,
        channel: ChannelId,
        script: Script,
    ) -> anyhow::Result<Self> {
        let language = script.language;
        let new = CreateToken {
            name: format!("ponger-{language}"),
            scopes: vec![Scope::ChannelsRead, Scope::MessagesRead, Scope::MessagesWrite],
            expires_in_days: Some(1),
        };
        let created = town.mayor.client.create_token(town.community, &new).await?;
        let id = created.token.user.id;
        town.mayor.client.add_channel_member(channel, id).await?;
        // It vanishes with the stack.
        let folder = scene.stack.run_dir.join(format!("ponger-{language}-{id}"));
        std::fs::create_dir(&folder)?;
        let mut bot = Self {
            id,
            script,
            folder,
            server: scene.stack.public_url.clone(),
            token: Secret::from(created.secret),
            process: None,
        };
        bot.start()?;
        // From here on it has a place to go on from.
        let begun = Instant::now();
        while std::fs::read_to_string(bot.place()).unwrap_or_default().trim().is_empty() {
            ensure!(begun.elapsed() < PATIENCE, "the bot in {language} does not begin to listen");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(bot)
    }

    fn place(&self) -> PathBuf {
        self.folder.join("last-id")
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let said =
            std::fs::File::options().create(true).append(true).open(self.folder.join("said"))?;
        let Script { interpreter, bot, module, .. } = self.script;
        if let Some((name, text)) = module {
            std::fs::write(self.folder.join(name), text)?;
        }
        let mut command = Command::new(interpreter);
        command
            .args(["-c", bot])
            .current_dir(&self.folder)
            .env("AJET_SERVER", &self.server)
            .env("AJET_TOKEN", self.token.expose())
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            // With everything that it starts itself.
            .process_group(0);
        self.process = Some(command.spawn().context(interpreter)?);
        Ok(())
    }

    /// It has ended by itself.
    fn has_ended(&mut self) -> anyhow::Result<bool> {
        let Some(process) = &mut self.process else { return Ok(true) };
        Ok(process.try_wait()?.is_some())
    }

    /// `kill -9`, to everything it is made of.
    async fn kill(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let pid = process.id().context("the bot has ended by itself")?;
        killpg(Pid::from_raw(pid.try_into()?), Signal::SIGKILL)?;
        process.wait().await?;
        Ok(())
    }

    /// How often it has said what.
    fn answers<'a>(&self, truth: &'a Truth) -> Vec<&'a str> {
        let own = truth.messages.iter().filter(|message| message.user_id == self.id);
        own.filter(|message| message.is_spoken).map(|message| message.body_md.as_str()).collect()
    }

    /// Waits until it has said something `count` times.
    async fn has_answered(&self, scene: &Scene, count: usize) -> anyhow::Result<Truth> {
        let begun = Instant::now();
        loop {
            let truth = Truth::read(&scene.stack).await?;
            let answers = self.answers(&truth).len();
            if answers >= count {
                return Ok(truth);
            }
            if begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(self.folder.join("said")).unwrap_or_default();
                bail!("{} answered {answers} of {count}; it said: {said}", self.script.language);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        if let Some(pid) =
            self.process.as_ref().and_then(Child::id).and_then(|pid| pid.try_into().ok())
        {
            // The only possible failure is that it has just ended.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Posts as a good client does: the same message until it is answered.
async fn say(person: &Person, channel: ChannelId, body: &str) -> anyhow::Result<Message> {
    say_below(person, channel, None, body).await
}

async fn say_below(
    person: &Person,
    channel: ChannelId,
    parent_id: Option<MessageId>,
    body: &str,
) -> anyhow::Result<Message> {
    let client_msg_id = ClientMessageId::new();
    let request = PostMessage {
        body_md: body.parse()?,
        client_msg_id,
        parent_id,
        attachment_ids: Vec::new(),
    };
    let begun = Instant::now();
    loop {
        match person.client.post_message(channel, &request).await {
            Ok(message) => return Ok(message),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Says "ping" again and again, and among it what nobody must answer.
async fn pings(person: &Person, channel: ChannelId) -> Outcome {
    for _ in 0..PINGS {
        say(person, channel, "ping").await?;
        say(person, channel, "ping?").await?;
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bots_of_the_documentation_answer_every_ping_once() -> Outcome {
    let mut scene = Scene::set("bots").await?;
    let town = scene.town(1, 0).await?;
    let (writer, channel) = (&town.writers[0], town.channels[0]);
    let [bash, python] = Script::all()?;
    let mut bots = [
        Bot::move_in(&scene, &town, channel, bash).await?,
        Bot::move_in(&scene, &town, channel, python).await?,
    ];

    pings(writer, channel).await?;
    // The session managers die one after the other, and the bots come back each time.
    for process in ["tui-sm-1", "tui-sm-2"] {
        let pid = scene.stack.signal(process, Signal::SIGKILL)?;
        pings(writer, channel).await?;
        scene.stack.started_again(process, pid).await?;
    }
    // Nobody serves them for a while.
    for process in ["tui-sm-1", "tui-sm-2"] {
        scene.control.kill(process).await?;
    }
    pings(writer, channel).await?;
    for process in ["tui-sm-1", "tui-sm-2"] {
        scene.control.start(process, &[]).await?;
    }
    // The bots die themselves, somewhere between two answers.
    pings(writer, channel).await?;
    for bot in &mut bots {
        bot.kill().await?;
    }
    pings(writer, channel).await?;
    for bot in &mut bots {
        bot.start()?;
    }
    let before = 6 * PINGS;
    for bot in &bots {
        bot.has_answered(&scene, before).await?;
    }
    // What came twice was answered before this one.
    say(writer, channel, "ping").await?;
    for bot in &bots {
        let truth = bot.has_answered(&scene, before + 1).await?;
        let answers = bot.answers(&truth);
        let language = bot.script.language;
        ensure!(answers.iter().all(|answer| *answer == "pong"), "{language}: {answers:?}");
        scene.exactly(&format!("answers in {language}"), answers.len(), before + 1)?;
    }
    for mut bot in bots {
        ended_by_revocation(&town, &mut bot).await?;
    }
    scene.passed().await
}

/// A bot whose token is revoked ends by itself.
async fn ended_by_revocation(town: &Town, bot: &mut Bot) -> Outcome {
    for token in town.mayor.client.tokens(town.community).await?.items {
        if token.user.id == bot.id {
            town.mayor.client.revoke_token(town.community, token.id).await?;
        }
    }
    let mut process = bot.process.take().context("the bot does not run")?;
    let ended = tokio::time::timeout(PATIENCE, process.wait()).await;
    if ended.is_err() {
        bot.process = Some(process);
        bail!("{} goes on without a token", bot.script.language);
    }
    Ok(())
}

#[test]
fn the_page_has_one_bot_of_ten_lines_in_each_language() -> Outcome {
    for Script { language, bot, .. } in Script::all()? {
        let lines = bot.lines().count();
        ensure!((1..=10).contains(&lines), "the bot in {language} has {lines} lines");
        ensure!(bot.contains("pong"), "{bot}");
    }
    Ok(())
}
