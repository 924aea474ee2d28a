//! The loop: waits for something to happen, has it applied and done, and draws what changed. Nothing happens, nothing runs.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ajet_shared::client::ApiClient;
use ajet_shared::clock;
use crossterm::event::{Event as Input, EventStream};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use futures::StreamExt;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::disk::Disk;
use super::effects::Doer;
use super::event::{Effect, Event};
use super::model::Model;
use super::signals::{Signal, Signals};
use super::terminal_guard::{self, TerminalGuard};
use super::theme::Theme;
use super::update::{Wanted, next_due, update};
use super::view;
use crate::args::ColorWhen;
use crate::error::{CliError, CliResult};

/// The shortest time between two drawings: 30 in a second.
const FRAME: Duration = Duration::from_millis(33);

/// What the interface starts with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) client: ApiClient,
    /// The server's address.
    pub(crate) server: String,
    /// The folder for what is kept.
    pub(crate) state: PathBuf,
    /// Whose, in that folder.
    pub(crate) profile: String,
    /// The channel or person to open.
    pub(crate) place: Option<String>,
    pub(crate) community: Option<String>,
    pub(crate) color: ColorWhen,
    pub(crate) theme: Option<String>,
    pub(crate) mouse: bool,
}

/// Runs the interface until somebody quits.
pub(crate) async fn run(start: Start) -> CliResult {
    let failed =
        |error: std::io::Error| CliError::failed(format!("Cannot use this terminal: {error}."));
    let theme = Theme::resolve(start.color, start.theme.as_deref(), &crate::settings::env);
    let host = start.server.split("://").last().unwrap_or_default().to_owned();
    let disk = Disk::new(&start.state, &start.profile);
    let kept = disk.load();
    let size = crossterm::terminal::size().map_err(failed)?;
    let mut model = Model::new(clock::now(), size, start.server);
    model.outbox = kept.outbox;
    model.work.kept = kept.drafts;
    model.work.wanted = Wanted { named: start.place, community: start.community, last: kept.last };
    let (sender, received) = unbounded_channel();
    let signals = Signals::listen().map_err(failed)?;
    let doer = Doer::new(start.client, disk, sender)
        .map_err(|error| CliError::failed(format!("Cannot start a thread: {error}.")))?;
    let guard = TerminalGuard::take(start.mouse).map_err(failed)?;
    let terminal = Terminal::new(CrosstermBackend::new(std::io::stdout())).map_err(failed)?;
    let mut screen = Screen {
        model,
        theme,
        terminal: ManuallyDrop::new(terminal),
        guard,
        doer,
        received,
        signals,
        title: String::new(),
        dirty: true,
        drawn_at: None,
        done: false,
        broke_off: None,
    };
    let outcome = screen.go().await;
    // Where the terminal went away in the middle of something, what was begun is kept all the same.
    screen.settle(Event::Stop);
    let Screen { guard, broke_off, .. } = screen;
    // The terminal is the shell's again before anything is said.
    drop(guard);
    outcome.map_err(failed)?;
    match broke_off {
        Some(BrokeOff::SignedOut) => Err(CliError::signed_out(&host)),
        Some(BrokeOff::Panicked) => {
            Err(CliError::failed("The interface broke. What you had begun is kept."))
        }
        None => Ok(()),
    }
}

struct Screen {
    model: Model,
    theme: Theme,
    /// Never dropped: it would show the cursor, as the guard does, and complain on stderr where there is no terminal any more.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<std::io::Stdout>>>,
    guard: TerminalGuard,
    doer: Doer,
    received: UnboundedReceiver<Event>,
    signals: Signals,
    title: String,
    dirty: bool,
    drawn_at: Option<Instant>,
    done: bool,
    /// Why it ended though nobody quit.
    broke_off: Option<BrokeOff>,
}

/// Why it ended though nobody quit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BrokeOff {
    /// Nobody is signed in.
    SignedOut,
    /// Something in the background panicked, and said so.
    Panicked,
}

/// What ended a wait.
enum Woken {
    Input(Input),
    Event(Event),
    Signal(Signal),
    Draw,
}

impl Screen {
    async fn go(&mut self) -> std::io::Result<()> {
        let mut input = Some(EventStream::new());
        self.apply(Event::Tick, &mut input).await?;
        while !self.done {
            let stream = input.get_or_insert_with(EventStream::new);
            match self.wait(stream).await {
                Woken::Draw => self.draw(&mut input).await?,
                Woken::Signal(Signal::End | Signal::Interrupt) => {
                    self.apply(Event::Stop, &mut input).await?;
                }
                Woken::Signal(Signal::Suspend) => self.suspend(&mut input)?,
                Woken::Input(event) => self.apply(translate(event), &mut input).await?,
                Woken::Event(event) => self.apply(event, &mut input).await?,
            }
            // What else is there already belongs into the same drawing.
            while let Ok(event) = self.received.try_recv() {
                self.apply(event, &mut input).await?;
            }
        }
        Ok(())
    }

    async fn wait(&mut self, input: &mut EventStream) -> Woken {
        let draw_at = self.drawn_at.map_or_else(Instant::now, |at| at + FRAME);
        let due = next_due(&self.model)
            .map(|at| (at - clock::now()).max(time::Duration::ZERO).unsigned_abs());
        let until_due = async {
            match due {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = input.next() => match event {
                Some(Ok(event)) => Woken::Input(event),
                // The terminal is gone.
                Some(Err(_)) | None => Woken::Event(Event::Stop),
            },
            Some(event) = self.received.recv() => Woken::Event(event),
            signal = self.signals.next() => Woken::Signal(signal),
            () = until_due => Woken::Event(Event::Tick),
            () = tokio::time::sleep_until(draw_at.into()), if self.dirty => Woken::Draw,
        }
    }

    /// Applies an event and does what follows from it.
    async fn apply(
        &mut self,
        event: Event,
        input: &mut Option<EventStream>,
    ) -> std::io::Result<()> {
        self.dirty = true;
        for effect in update(&mut self.model, clock::now(), event) {
            match self.doer.perform(effect) {
                Some(Effect::Quit) => self.done = true,
                Some(Effect::NotSignedIn) => {
                    (self.done, self.broke_off) = (true, Some(BrokeOff::SignedOut));
                }
                Some(Effect::Redraw) => self.forget_screen()?,
                Some(Effect::Suspend) => self.suspend(input)?,
                Some(Effect::Editor(text)) => self.editor(text, input).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn draw(&mut self, input: &mut Option<EventStream>) -> std::io::Result<()> {
        if !terminal_guard::is_taken() {
            // A panic elsewhere gave it back and told why: nothing is drawn over that.
            self.broke_off = Some(BrokeOff::Panicked);
            return self.apply(Event::Stop, input).await;
        }
        self.dirty = false;
        self.drawn_at = Some(Instant::now());
        let (model, theme) = (&self.model, self.theme);
        let mut drawn = None;
        crossterm::execute!(std::io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| drawn = Some(view::draw(model, theme, frame)))?;
        crossterm::execute!(std::io::stdout(), EndSynchronizedUpdate)?;
        self.name_window();
        if let Some(drawn) = drawn.filter(|drawn| *drawn != self.model.drawn) {
            self.apply(Event::Drawn(drawn), input).await?;
        }
        Ok(())
    }

    /// The next drawing writes every cell. Not by `clear`, which asks the terminal for its cursor: the answer may be late, or be read by
    /// the reader of keys.
    fn forget_screen(&mut self) -> std::io::Result<()> {
        let (columns, rows) = crossterm::terminal::size()?;
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }

    fn name_window(&mut self) {
        let title = self.model.title();
        if title != self.title {
            terminal_guard::title(&title);
            self.title = title;
        }
    }

    /// To the shell and back. Reading keys ends first: a reader left behind would take the shell's.
    fn suspend(&mut self, input: &mut Option<EventStream>) -> std::io::Result<()> {
        *input = None;
        terminal_guard::restore();
        terminal_guard::stop_self();
        self.back()
    }

    /// The editor has the terminal; what happens meanwhile waits in the queue. Signals do not: an editor that is stopped by `Ctrl-Z`
    /// stops with its whole group, and the shell goes on only once this program has stopped too.
    async fn editor(
        &mut self,
        text: String,
        input: &mut Option<EventStream>,
    ) -> std::io::Result<()> {
        *input = None;
        terminal_guard::restore();
        let mut editor = tokio::task::spawn_blocking(move || crate::text::in_editor(&text));
        let mut ends = false;
        let written = loop {
            tokio::select! {
                written = &mut editor => break written,
                signal = self.signals.next() => match signal {
                    Signal::Suspend => terminal_guard::stop_self(),
                    Signal::End => ends = true,
                    Signal::Interrupt => {}
                },
            }
        };
        self.back()?;
        let written = match written {
            Ok(written) => written.map_err(|error| error.message().to_owned()),
            Err(_) => Err("The editor could not be run.".to_owned()),
        };
        self.settle(Event::Written(written));
        if ends {
            self.settle(Event::Stop);
        }
        Ok(())
    }

    /// Applies an event from which nothing follows that needs the screen.
    fn settle(&mut self, event: Event) {
        for effect in update(&mut self.model, clock::now(), event) {
            if let Some(Effect::Quit) = self.doer.perform(effect) {
                self.done = true;
            }
        }
    }

    fn back(&mut self) -> std::io::Result<()> {
        self.guard.enter()?;
        self.forget_screen()?;
        self.title.clear();
        self.dirty = true;
        let (columns, rows) = crossterm::terminal::size()?;
        self.settle(Event::Resize(columns, rows));
        Ok(())
    }
}

fn translate(input: Input) -> Event {
    match input {
        Input::Key(key) => Event::Key(key),
        Input::Mouse(mouse) => Event::Mouse(mouse),
        Input::Paste(text) => Event::Paste(text),
        Input::Resize(columns, rows) => Event::Resize(columns, rows),
        Input::FocusGained => Event::Focus(true),
        Input::FocusLost => Event::Focus(false),
    }
}
