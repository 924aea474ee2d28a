//! The terminal as it was before and as we need it: alternate screen, raw mode, bracketed paste, focus, mouse. Whatever ends the program
//! (a quit, an error, a panic, a signal) goes through [`restore`].

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};

/// The terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Keeps the title there was, and gives it back (xterm's window operations 22 and 23).
const KEEP_TITLE: &str = "\x1b[22;0t";
const GIVE_TITLE: &str = "\x1b[23;0t";

/// Holds the terminal until it is dropped.
#[derive(Debug)]
pub(crate) struct TerminalGuard {
    mouse: bool,
}

impl TerminalGuard {
    /// Takes the terminal; a panic gives it back before it says anything.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        let guard = Self { mouse };
        guard.enter()?;
        Ok(guard)
    }

    /// Takes it again after [`restore`].
    pub(crate) fn enter(&self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = io::stdout();
        queue!(
            out,
            crossterm::style::Print(KEEP_TITLE),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        if speaks_kitty() {
            queue!(
                out,
                PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES)
            )?;
        }
        if self.mouse {
            queue!(out, EnableMouseCapture)?;
        }
        out.flush()
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is ours. A panic anywhere gives it back.
pub(crate) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Gives the terminal back, once. Errors are not told: there is no terminal to tell them on.
pub(crate) fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if speaks_kitty() {
        let _ = queue!(out, PopKeyboardEnhancementFlags);
    }
    // A panic comes most likely in the middle of a drawing: until its end, the terminal would hold everything back.
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show,
        crossterm::style::Print(GIVE_TITLE)
    );
    let _ = disable_raw_mode();
}

/// The window's title. The text is made safe here, whatever it is made of.
pub(crate) fn title(text: &str) {
    let _ = execute!(io::stdout(), SetTitle(ajet_shared::terminal::terminal_line(text)));
}

/// Text into the clipboard (OSC 52), encoded, so that nothing in it is obeyed.
pub(crate) fn copy(text: &str) {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let _ = execute!(io::stdout(), crossterm::style::Print(format!("\x1b]52;c;{encoded}\x07")));
}

pub(crate) fn bell() {
    let _ = execute!(io::stdout(), crossterm::style::Print('\x07'));
}

/// The keyboard protocol is asked for without a question first: terminals that do not know it pass it over, but not the oldest.
fn speaks_kitty() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    !matches!(term.as_str(), "" | "dumb" | "linux") && !term.starts_with("vt")
}

/// Stops this process as `Ctrl-Z` does; returns when it goes on.
#[cfg(unix)]
pub(crate) fn stop_self() {
    // There is no safe call for it in the standard library; the shell's own `kill` is everywhere.
    let order = format!("kill -STOP {}", std::process::id());
    let _ = std::process::Command::new("sh").args(["-c", &order]).status();
}

/// Nothing stops a program here.
#[cfg(not(unix))]
pub(crate) fn stop_self() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names the part of the test that runs in a terminal of its own.
    const INSIDE: &str = "AJET_TEST_PANIC_IN_TERMINAL";

    /// The terminal is given back before the panic says anything: else nobody reads it, and the shell is left unusable.
    #[test]
    fn a_panic_gives_the_terminal_back_first() {
        if std::env::var_os(INSIDE).is_some() {
            let _guard = TerminalGuard::take(true).unwrap();
            execute!(io::stdout(), crossterm::terminal::BeginSynchronizedUpdate).unwrap();
            panic!("said in the shell");
        }
        let Some(written) = in_a_terminal() else { return };
        let at =
            |what: &str| written.find(what).unwrap_or_else(|| panic!("{what:?} in {written:?}"));
        let given_back = at("\x1b[?1049l");
        assert!(at("\x1b[?1049h") < given_back && given_back < at("said in the shell"));
        assert!(at("\x1b[?2026h") < at("\x1b[?2026l") && at("\x1b[?2026l") < given_back);
        for off in ["\x1b[?2004l", "\x1b[?1004l", "\x1b[?1006l", "\x1b[?25h", GIVE_TITLE] {
            assert!(at(off) < at("said in the shell"), "{off:?}");
        }
        assert!(written.trim_end().ends_with("sane"), "{written:?}");
    }

    /// Runs this test again under `script`, and gives what came to the terminal; none where there is no `script`.
    fn in_a_terminal() -> Option<String> {
        let test = std::env::current_exe().ok()?;
        let name = "tui::terminal_guard::tests::a_panic_gives_the_terminal_back_first";
        let check = "stty -a | grep -q -e -icanon && echo broken || echo sane";
        let line = format!("'{}' --exact {name} --nocapture; {check}", test.display());
        let output = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env(INSIDE, "1")
            .env("TERM", "xterm-256color")
            .stdin(std::process::Stdio::null())
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
