//! A sign-in provider that goes wrong as it is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a slow one takes: in time for itself, not for two of them.
const SLOW: Duration = Duration::from_secs(4);
/// Longer than anybody waits.
const SILENT: Duration = Duration::from_mins(2);
/// No request here is longer.
const REQUEST_MAX: usize = 16 * 1024;

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// As it should.
    Good,
    /// The same, late.
    Slow,
    /// 500.
    Fails,
    /// 200 with something that is no JSON.
    Garbage,
    /// Not at all.
    Silent,
}

/// A provider on a port of its own, until dropped.
pub(crate) struct Provider {
    /// Its address.
    pub(crate) url: String,
    replies: Arc<Mutex<(Reply, Reply)>>,
    task: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let replies = Arc::new(Mutex::new((Reply::Good, Reply::Good)));
        let told = replies.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (token, profile) = *told.lock().unwrap_or_else(PoisonError::into_inner);
                // Whoever asks may have gone.
                tokio::spawn(async move { serve(stream, token, profile).await.ok() });
            }
        });
        Ok(Self { url, replies, task })
    }

    /// How it answers from now on: to who brings a code, and to who asks for the profile.
    pub(crate) fn replies(&self, token: Reply, profile: Reply) {
        *self.replies.lock().unwrap_or_else(PoisonError::into_inner) = (token, profile);
    }
}

/// Answers one request and closes the connection.
async fn serve(mut stream: TcpStream, token: Reply, profile: Reply) -> std::io::Result<()> {
    const TOKEN: &str = r#"{"access_token":"some","token_type":"bearer"}"#;
    const PROFILE: &str = r#"{"id":1,"login":"some"}"#;
    let head = read_head(&mut stream).await?;
    let (reply, good) = if head.starts_with("post") { (token, TOKEN) } else { (profile, PROFILE) };
    match reply {
        Reply::Silent => tokio::time::sleep(SILENT).await,
        Reply::Slow => tokio::time::sleep(SLOW).await,
        _ => {}
    }
    let (status, body) = match reply {
        Reply::Fails => ("500 Internal Server Error", "{\"error\":\"server_error\"}"),
        Reply::Garbage => ("200 OK", "<html>{{{ \u{fffd}"),
        _ => ("200 OK", good),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// The head of a request, with its body read away.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = Vec::new();
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if text.len() >= end + 4 + length || text.len() > REQUEST_MAX {
                return Ok(head);
            }
        }
        if stream.read_buf(&mut text).await? == 0 {
            return Ok(String::new());
        }
    }
}
