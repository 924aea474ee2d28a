//! What came of a command: a note that only its reader sees, between the messages and the box.

use ajet_shared::command::CommandAnswer;
use askama::Template;

use super::message::Body;
use super::names::Directory;
use super::{filters, fragments};

/// The note.
#[derive(Template)]
#[template(path = "fragments/answer.html")]
pub(crate) struct Answer<'a> {
    /// Why the command was not run; none when it was.
    refused: Option<&'a str>,
    /// It holds something that is not shown again.
    secret: bool,
    body: Body<'a>,
}

fragments!(Answer<'_>);

impl<'a> Answer<'a> {
    /// Of a command that was run.
    pub(crate) fn of(answer: &CommandAnswer, directory: &Directory) -> Self {
        let body = Body::of_markdown(&answer.body_md, directory);
        Self { refused: None, secret: answer.secret, body }
    }

    /// Of one that was not, and why.
    pub(crate) fn refused(why: &'a str) -> Self {
        Self { refused: Some(why), secret: false, body: Body::deleted() }
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::command::AnswerKind;

    use super::*;
    use crate::fixtures::HOSTILE;
    use crate::view::render;

    fn answer(body_md: &str, secret: bool) -> CommandAnswer {
        CommandAnswer {
            kind: AnswerKind::Ephemeral,
            body_md: body_md.to_owned(),
            message: None,
            channel_id: None,
            secret,
        }
    }

    #[test]
    fn an_answer_is_markdown_for_its_reader_alone() {
        let directory = Directory::default();
        let html = render(&Answer::of(&answer("**Done.**", false), &directory));
        assert!(html.contains("Only you see this") && html.contains("<strong>Done.</strong>"));
        assert!(!html.contains("Copy") && !html.contains("secret"));
        let html = render(&Answer::of(&answer("`ajp_x`", true), &directory));
        assert!(html.contains("It is not shown again") && html.contains("Copy"), "{html}");
    }

    #[test]
    fn a_refusal_is_plain_text() {
        let html = render(&Answer::refused("There is no command **/nope**."));
        assert!(html.contains("Not run") && html.contains("**/nope**"), "{html}");
    }

    #[test]
    fn nothing_in_a_note_becomes_markup() {
        let directory = Directory::default();
        for html in [
            render(&Answer::of(&answer(HOSTILE, true), &directory)),
            render(&Answer::refused(HOSTILE)),
        ] {
            assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
        }
    }
}
