//! Somebody who asks the same thing again and again, and notes how it was answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};

/// A request that is not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request.
#[derive(Clone, Debug)]
pub struct Probed {
    /// When it was made.
    pub at: Instant,
    /// How long the whole answer took.
    pub took: Duration,
    /// The status; none where there was no answer.
    pub status: Option<u16>,
    /// The type of the answer.
    pub content_type: String,
    /// Its `Retry-After`.
    pub retry_after: Option<String>,
}

impl Probed {
    /// What was asked for.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
    }

    /// A refusal as it has to be when something is down: a problem that says when to come back.
    #[must_use]
    pub fn is_proper_refusal(&self) -> bool {
        matches!(self.status, Some(502 | 503))
            && self.content_type.starts_with("application/problem+json")
            && self.retry_after.as_ref().is_some_and(|after| after.parse::<u32>().is_ok())
    }

    /// An answer in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let status = self.status.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
        format!("{status} {} after {:?}, {:?}", self.content_type, self.took, self.retry_after)
    }
}

/// Asks until dropped.
#[derive(Debug)]
pub struct Probe {
    probed: Arc<Mutex<Vec<Probed>>>,
    task: JoinHandle<()>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probe {
    /// Makes a request in every `every`, whether the one before was answered or not.
    #[must_use]
    pub fn begin(
        every: Duration,
        request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder + Send + 'static,
    ) -> Self {
        let probed = Arc::<Mutex<Vec<Probed>>>::default();
        let notes = probed.clone();
        let task = tokio::spawn(async move {
            let Ok(http) = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build() else {
                return;
            };
            let mut asked = JoinSet::new();
            let mut clock = tokio::time::interval(every);
            loop {
                clock.tick().await;
                asked.spawn(ask(request(&http), notes.clone()));
                while asked.try_join_next().is_some() {}
            }
        });
        Self { probed, task }
    }

    /// The answers to what was asked between two moments, once all of them have come.
    pub async fn between(&self, from: Instant, to: Instant) -> Vec<Probed> {
        tokio::time::sleep_until((to + Duration::from_millis(50)).into()).await;
        let waiting = || {
            let probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
            let asked = probed.iter().filter(|probed| (from..to).contains(&probed.at));
            let answered: Vec<Probed> = asked.cloned().collect();
            (answered.iter().all(|probed| probed.took > Duration::ZERO), answered)
        };
        loop {
            match waiting() {
                (true, answered) => return answered,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The first that was fine again, of those asked after a moment.
    #[must_use]
    pub fn fine_after(&self, moment: Instant) -> Option<Instant> {
        let probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        let fine = probed.iter().filter(|probed| probed.at >= moment && probed.is_fine());
        fine.map(|probed| probed.at + probed.took).min()
    }
}

/// Notes the request at once, so that one that hangs is seen, and then its answer.
async fn ask(request: reqwest::RequestBuilder, notes: Arc<Mutex<Vec<Probed>>>) {
    let at = Instant::now();
    let place = {
        let mut probed = notes.lock().unwrap_or_else(PoisonError::into_inner);
        probed.push(Probed {
            at,
            took: Duration::ZERO,
            status: None,
            content_type: String::new(),
            retry_after: None,
        });
        probed.len() - 1
    };
    let answer = async {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        answer.bytes().await?;
        Ok::<_, reqwest::Error>((status, headers))
    };
    let answer = answer.await.ok();
    let mut probed = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(own) = probed.get_mut(place) else { return };
    if let Some((status, headers)) = answer {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        own.status = Some(status);
        header("content-type").unwrap_or_default().clone_into(&mut own.content_type);
        own.retry_after = header("retry-after").map(str::to_owned);
    }
    own.took = at.elapsed().max(Duration::from_nanos(1));
}
