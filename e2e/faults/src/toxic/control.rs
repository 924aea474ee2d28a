//! The listening side of the control protocol.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::{Order, Proxy, Request};

/// Whoever keeps the processes of a stack.
pub trait Keeper: Send + Sync + 'static {
    /// One line for each: `process <name> <running|altered|frozen|down> <pid or ->`.
    fn describe(&self) -> impl Future<Output = Vec<String>> + Send;

    /// Does something to one of them; done when it has happened.
    fn order(&self, name: &str, order: Order) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// For edges alone.
#[derive(Clone, Copy, Debug)]
pub struct NoProcesses;

impl Keeper for NoProcesses {
    async fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    async fn order(&self, name: &str, _order: Order) -> anyhow::Result<()> {
        bail!("there is no process {name}")
    }
}

/// Listens at a socket in the file system, for our own user. The future serves until it is dropped.
pub fn serve<K: Keeper>(
    socket: &Path,
    proxy: Arc<Proxy>,
    keeper: Arc<K>,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("the proxy cannot be controlled at {}", socket.display()))?;
    let ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(socket, ours)?;
    Ok(async move {
        let mut callers = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => { callers.spawn(converse(stream, proxy.clone(), keeper.clone())); }
                    // Out of file handles, most likely: let others finish.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = callers.join_next() => {}
            }
        }
    })
}

/// One caller, until they go.
async fn converse<K: Keeper>(mut stream: UnixStream, proxy: Arc<Proxy>, keeper: Arc<K>) {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut answer = match answer(&line, &proxy, &*keeper).await {
            Ok(mut data) => {
                data.push("ok".to_owned());
                data.join("\n")
            }
            Err(error) => format!("error {}", format!("{error:#}").replace('\n', " ")),
        };
        answer.push('\n');
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer<K: Keeper>(line: &str, proxy: &Proxy, keeper: &K) -> anyhow::Result<Vec<String>> {
    match line.parse()? {
        Request::Edges => Ok(proxy.describe()),
        Request::Processes => Ok(keeper.describe().await),
        Request::Disturb(edges, toxic, way) => {
            proxy.disturb(&edges, toxic, way).await.map(|()| Vec::new())
        }
        Request::Process(name, order) => keeper.order(&name, order).await.map(|()| Vec::new()),
    }
}
