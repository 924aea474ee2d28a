//! Stopping in an order that costs nobody a request (delivery-and-security.md section 2.10).
//!
//! A listener that is closed refuses whoever has not heard of it yet. So `/readyz` says first that nobody should come, and only
//! when those who watch it have had the time to see that, the listener goes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Health;

/// Who has asked within this time watches.
const WATCHED_WITHIN: Duration = Duration::from_secs(3);
/// Long enough for one who asks every second (the gateway) to ask once more.
const NOTICE: Duration = Duration::from_millis(1_500);

/// The token by which a service stops serving: cancelled some time after `shutdown`, while `/readyz` answers 503.
///
/// That time is `notice`; without one it is what our own gateway needs, or none if nobody has been watching.
#[must_use]
pub fn unready_first(
    health: &Health,
    notice: Option<Duration>,
    shutdown: CancellationToken,
) -> CancellationToken {
    let stop = CancellationToken::new();
    let (health, stopping) = (health.clone(), stop.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        shutdown.cancelled().await;
        health.retire();
        let is_watched = || health.last_asked().is_some_and(|at| at.elapsed() < WATCHED_WITHIN);
        let notice = notice.unwrap_or_else(|| if is_watched() { NOTICE } else { Duration::ZERO });
        tokio::time::sleep(notice).await;
        stopping.cancel();
    }));
    stop
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt as _;

    use super::super::health_routes;
    use super::*;

    async fn readiness(health: &Health) -> StatusCode {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        health_routes(health.clone()).oneshot(request).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn who_watches_is_told_before_the_end() {
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        health.set_ready(true);
        let stop = unready_first(&health, None, shutdown.clone());
        assert_eq!(readiness(&health).await, StatusCode::OK);
        shutdown.cancel();
        tokio::time::sleep(NOTICE / 2).await;
        health.set_ready(true);
        assert_eq!(readiness(&health).await, StatusCode::SERVICE_UNAVAILABLE, "whoever says so");
        assert!(!stop.is_cancelled(), "and requests on their way are still taken");
        tokio::time::sleep(NOTICE).await;
        assert!(stop.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_when_nobody_watches() {
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let stop = unready_first(&health, None, shutdown.clone());
        shutdown.cancel();
        let begun = tokio::time::Instant::now();
        stop.cancelled().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(!health.is_ready());
    }
}
