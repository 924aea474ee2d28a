//! Server-sent events as they come in (WHATWG HTML section 9.2). Our own, because heartbeats matter here: a comment shows that the
//! connection lives, and a block of nothing but an id moves the cursor.

use std::time::Duration;

/// One block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Its name; `message` when it has none.
    pub name: String,
    /// Its data, lines joined by line feeds; empty for a block that only carries an id.
    pub data: String,
    /// The id it sets.
    pub id: Option<String>,
    /// The reconnection time it sets.
    pub retry: Option<Duration>,
}

/// A block of this size is no event of ours: the stream is something else.
const BLOCK_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Takes bytes in pieces of any size, gives blocks.
#[derive(Debug, Default)]
pub(super) struct Parser {
    buffer: Vec<u8>,
    /// Where the next unread line starts.
    start: usize,
    /// Up to where the line that starts there was searched for its end.
    searched: usize,
    block: Block,
    size: usize,
}

impl Parser {
    /// Takes the next piece; false when what came cannot be an event stream.
    #[must_use]
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
        self.buffer.len() + self.size <= BLOCK_MAX_BYTES
    }

    /// The next complete block, if one is there.
    pub(super) fn next_block(&mut self) -> Option<Block> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                self.size = 0;
                let block = std::mem::take(&mut self.block);
                if block != Block::default() {
                    return Some(Block {
                        name: if block.name.is_empty() { "message".to_owned() } else { block.name },
                        data: block
                            .data
                            .strip_suffix('\n')
                            .map(str::to_owned)
                            .unwrap_or(block.data),
                        ..block
                    });
                }
                continue;
            }
            self.size += line.len();
            self.field(&line);
        }
        None
    }

    /// The next complete line. A lone carriage return ends no line here: no server of ours sends one.
    fn line(&mut self) -> Option<String> {
        let end = self.searched
            + self.buffer[self.searched..]
                .iter()
                .position(|b| *b == b'\n')
                .unwrap_or(self.buffer.len() - self.searched);
        if end == self.buffer.len() {
            self.searched = end;
            return None;
        }
        let line = &self.buffer[self.start..end];
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        (self.start, self.searched) = (end + 1, end + 1);
        Some(line)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.block.name),
            "data" => {
                self.block.data.push_str(value);
                self.block.data.push('\n');
            }
            "id" if !value.contains('\0') => self.block.id = Some(value.to_owned()),
            "retry" => self.block.retry = value.parse().ok().map(Duration::from_millis),
            // A comment has an empty name; other fields are to be ignored.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(pieces: &[&str]) -> Vec<Block> {
        let mut parser = Parser::default();
        let mut blocks = Vec::new();
        for piece in pieces {
            assert!(parser.feed(piece.as_bytes()));
            blocks.extend(std::iter::from_fn(|| parser.next_block()));
        }
        blocks
    }

    #[test]
    fn blocks_survive_any_cut() {
        let stream = ": hello\nretry: 1500\n\nevent: ready\nid: 1.7\ndata: {\"a\":\ndata: \"ö\"}\r\n\r\n: beat\n\nid: 1.8\n\ndata:x\n\n";
        let whole = blocks(&[stream]);
        let expected = [
            Block {
                name: "message".into(),
                retry: Some(Duration::from_millis(1500)),
                ..Block::default()
            },
            Block {
                name: "ready".into(),
                id: Some("1.7".into()),
                data: "{\"a\":\n\"ö\"}".into(),
                retry: None,
            },
            Block { name: "message".into(), id: Some("1.8".into()), ..Block::default() },
            Block { name: "message".into(), data: "x".into(), ..Block::default() },
        ];
        assert_eq!(whole, expected);
        let mut parser = Parser::default();
        let mut single = Vec::new();
        for byte in stream.as_bytes() {
            assert!(parser.feed(std::slice::from_ref(byte)));
            single.extend(std::iter::from_fn(|| parser.next_block()));
        }
        assert_eq!(single, expected);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1024 * 1024];
        let taken =
            (0..8).take_while(|_| parser.feed(&piece) && parser.next_block().is_none()).count();
        assert_eq!(taken, 4);
    }
}
