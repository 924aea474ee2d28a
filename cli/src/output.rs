//! Standard output is data, standard error is talk. Chooses between the human, the plain and the machine form (design/cli.md section 3).

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

use ajet_shared::terminal::{columns, json_safe, terminal_line};

use crate::args::{ColorWhen, Global};
use crate::error::{CliError, CliResult, Exit};
use crate::paint::Paint;
use crate::record::{Record, Schema};
use crate::template::Template;

/// How records are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// For the people at a terminal.
    Human,
    /// Tabs between columns, full ids, full times.
    Plain,
    /// All fields with a header line.
    Tsv,
    /// An array or an object; chosen fields in their order.
    Json(Option<Vec<String>>),
    /// One object on each line.
    JsonLines,
    /// Ids alone.
    Ids,
    /// A table in markdown.
    Markdown,
    /// By the user's template.
    Template(Template),
}

/// What standard output and standard error are, and what the user wants of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
    /// For standard output.
    pub(crate) paint: Paint,
    /// For standard error.
    pub(crate) talk_paint: Paint,
    quiet: bool,
    pager: bool,
}

impl Screen {
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            terminal,
            paint: Paint::new(colored(global.color, terminal)),
            talk_paint: talk_paint(global.color),
            quiet: global.quiet,
            pager: terminal && !global.no_pager,
        }
    }

    /// Says something to the user, beside the data.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Says that something was done.
    pub(crate) fn done(self, text: &str) {
        self.say(&format!("{} {}", self.talk_paint.green("✓"), terminal_line(text)));
    }

    /// Says that something needs attention.
    pub(crate) fn warn(self, text: &str) {
        self.say(&format!("{} {}", self.talk_paint.yellow("!"), terminal_line(text)));
    }

    /// Columns of the terminal.
    pub(crate) fn width(self) -> usize {
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        set.or_else(|| if self.terminal { terminal_columns() } else { None })
            .unwrap_or(80)
            .clamp(20, 400)
    }

    /// Chooses the form of a command's output. `--json=help` prints the fields and ends the command.
    pub(crate) fn output(self, global: &Global, schema: &'static Schema) -> CliResult<Output> {
        let form = match (&global.json, &global.format) {
            (Some(fields), _) if fields == "help" => {
                let width = schema.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                let lines: Vec<String> = schema
                    .fields
                    .iter()
                    .map(|(name, meaning)| format!("{name:width$}  {meaning}\n"))
                    .collect();
                print(&lines.concat())?;
                return Err(CliError::done());
            }
            (Some(fields), _) => Form::Json(chosen(fields, schema)?),
            (None, Some(format)) => form(format, schema)?,
            (None, None) if self.terminal => Form::Human,
            (None, None) => Form::Plain,
        };
        Ok(Output { form, schema, screen: self })
    }
}

/// Painting for standard error.
pub(crate) fn talk_paint(when: ColorWhen) -> Paint {
    Paint::new(colored(when, io::stderr().is_terminal()))
}

fn colored(when: ColorWhen, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if set("NO_COLOR") => false,
        ColorWhen::Auto
            if std::env::var_os("CLICOLOR_FORCE")
                .is_some_and(|value| value != "0" && !value.is_empty()) =>
        {
            true
        }
        ColorWhen::Auto => terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// Asks `stty`: the standard library cannot, and the terminal is not always standard input.
fn terminal_columns() -> Option<usize> {
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    let size =
        Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(size.stdout)
        .ok()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
        .filter(|columns| *columns > 0)
}

fn chosen(fields: &str, schema: &Schema) -> CliResult<Option<Vec<String>>> {
    if fields.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = fields.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !schema.has(name)) {
        None => Ok(Some(names)),
        Some(unknown) => {
            let known: Vec<&str> = schema.fields.iter().map(|(name, _)| *name).collect();
            Err(CliError::usage(format!("Unknown field \"{unknown}\"."))
                .hint(format!("Fields: {}", known.join(" "))))
        }
    }
}

fn form(format: &str, schema: &Schema) -> CliResult<Form> {
    Ok(match format {
        "table" => Form::Human,
        "plain" => Form::Plain,
        "tsv" => Form::Tsv,
        "jsonl" => Form::JsonLines,
        "ids" => Form::Ids,
        "markdown" => Form::Markdown,
        template if template.contains('{') => {
            Form::Template(Template::parse(template, schema).map_err(CliError::usage)?)
        }
        other => {
            return Err(CliError::usage(format!("Unknown format \"{other}\"."))
                .hint("Formats: table plain tsv jsonl ids markdown, or a template like '{id}'"));
        }
    })
}

/// Prints the records of one command.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    form: Form,
    schema: &'static Schema,
    pub(crate) screen: Screen,
}

impl Output {
    /// Whether people at a terminal read this.
    pub(crate) fn is_human(&self) -> bool {
        self.form == Form::Human
    }

    /// Prints a list: `human` draws it for people.
    pub(crate) fn list(&self, records: &[Record], human: impl FnOnce() -> String) -> CliResult {
        match &self.form {
            Form::Human => print(&human()),
            Form::Json(fields) => {
                let records: Vec<Record> =
                    records.iter().map(|record| record.choose(fields.as_deref())).collect();
                print(&format!("{}\n", json(&records)))
            }
            Form::Tsv => {
                let names: Vec<&str> = self.schema.fields.iter().map(|(name, _)| *name).collect();
                print(&format!("{}\n{}", names.join("\t"), self.lines(records)))
            }
            Form::Markdown => {
                let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
                let head = row(self.schema.plain.iter().map(|name| (*name).to_owned()).collect());
                let rule = row(self.schema.plain.iter().map(|_| "---".to_owned()).collect());
                print(&format!("{head}{rule}{}", self.lines(records)))
            }
            _ => print(&self.lines(records)),
        }
    }

    /// As [`Self::list`], through the pager where the list is long and a terminal shows it.
    pub(crate) fn paged(&self, records: &[Record], human: impl FnOnce() -> String) -> CliResult {
        if self.is_human() && self.screen.pager {
            page(&human())
        } else {
            self.list(records, human)
        }
    }

    /// Prints one thing.
    pub(crate) fn one(&self, record: &Record, human: impl FnOnce() -> String) -> CliResult {
        match &self.form {
            Form::Json(fields) => print(&format!("{}\n", json(&record.choose(fields.as_deref())))),
            _ => self.list(std::slice::from_ref(record), human),
        }
    }

    /// Prints one thing of an endless list, at once.
    pub(crate) fn next(&self, record: &Record, human: impl FnOnce() -> String) -> CliResult {
        match &self.form {
            Form::Human => print(&human()),
            Form::Json(fields) => print(&format!("{}\n", json(&record.choose(fields.as_deref())))),
            _ => print(&self.lines(std::slice::from_ref(record))),
        }
    }

    fn lines(&self, records: &[Record]) -> String {
        records.iter().map(|record| self.line(record) + "\n").collect()
    }

    fn line(&self, record: &Record) -> String {
        match &self.form {
            Form::Template(template) => template.fill(record, self.screen.terminal),
            Form::JsonLines | Form::Json(_) => json(&record.choose(None)),
            Form::Ids => terminal_line(&record.text("id")).into_owned(),
            Form::Markdown => {
                let cells: Vec<String> = self
                    .schema
                    .plain
                    .iter()
                    .map(|name| cell(&record.text(name)).replace('|', "\\|"))
                    .collect();
                format!("| {} |", cells.join(" | "))
            }
            Form::Tsv => self
                .schema
                .fields
                .iter()
                .map(|(name, _)| cell(&record.text(name)))
                .collect::<Vec<_>>()
                .join("\t"),
            Form::Human | Form::Plain => self
                .schema
                .plain
                .iter()
                .map(|name| cell(&record.text(name)))
                .collect::<Vec<_>>()
                .join("\t"),
        }
    }
}

/// A value that stays in its column: line feeds and backslashes are written as escapes, tabs are spaces.
fn cell(text: &str) -> String {
    terminal_line(&text.replace('\\', "\\\\").replace("\r\n", "\n").replace('\n', "\\n"))
        .into_owned()
}

fn json(value: &impl serde::Serialize) -> String {
    json_safe(&serde_json::to_string(value).unwrap_or_default()).into_owned()
}

/// Writes to standard output. A reader that went away ends the program quietly.
pub(crate) fn print(text: &str) -> CliResult {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::new(Exit::ClosedPipe, "closed_pipe", ""),
            _ => CliError::failed(format!("Cannot write the output: {error}.")),
        }
    })
}

/// Shows a text in `$PAGER`, or prints it where there is none.
fn page(text: &str) -> CliResult {
    let pager = std::env::var("PAGER")
        .ok()
        .filter(|pager| !pager.trim().is_empty())
        .unwrap_or_else(|| "less -FRX".to_owned());
    let mut words = pager.split_whitespace();
    let Some(program) = words.next().filter(|program| *program != "cat") else {
        return print(text);
    };
    let Ok(mut child) = Command::new(program).args(words).stdin(Stdio::piped()).spawn() else {
        return print(text);
    };
    if let Some(mut stdin) = child.stdin.take() {
        // Quitting the pager before the end is no error.
        let _ = stdin.write_all(text.as_bytes());
    }
    let _ = child.wait();
    Ok(())
}

/// One column of a table for people.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Numbers stand right.
    pub(crate) right: bool,
}

/// A cell: its text, already safe, and how it looks.
pub(crate) struct Cell(pub(crate) String, pub(crate) fn(Paint, &str) -> String);

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self(terminal_line(text.as_ref()).into_owned(), |_, text| text.to_owned())
    }

    pub(crate) fn looking(text: impl AsRef<str>, look: fn(Paint, &str) -> String) -> Self {
        Self(terminal_line(text.as_ref()).into_owned(), look)
    }
}

/// An aligned table with a dim head. The last column takes what it needs.
pub(crate) fn table(paint: Paint, head: &[Column], rows: &[Vec<Cell>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|column| column.title.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(&cell.0));
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = (String, usize)>| {
        out.push_str("  ");
        for (index, (painted, taken)) in cells.enumerate() {
            let padding = " ".repeat(widths[index].saturating_sub(taken));
            let last = index + 1 == head.len();
            if head[index].right {
                out.push_str(&padding);
            }
            out.push_str(&painted);
            if !last {
                if !head[index].right {
                    out.push_str(&padding);
                }
                out.push_str("  ");
            }
        }
        out.push('\n');
    };
    line(&mut head.iter().map(|column| (paint.dim(column.title), column.title.len())));
    for row in rows {
        line(&mut row.iter().map(|cell| ((cell.1)(paint, &cell.0), columns(&cell.0))));
    }
    out
}
