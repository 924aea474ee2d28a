//! Looks whether the stream went where the pump did not follow.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Renderer;
use super::pump::{epoch_of, went_back};
use super::shared::Shared;
use crate::position::Position;

/// How often to look whether the stream is where the pump believes it to be: so long somebody who comes back may be served from a
/// stream that is not there any more.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A consumer that is behind for so many looks without a step has gone silent.
const SILENT_LOOKS: u32 = 5;

/// Looks from time to time, and when asked, whether the stream went where the pump did not follow: a new epoch nobody has published
/// in yet, a rolled-back store, a consumer that went silent.
pub(super) async fn run<R: Renderer>(shared: Arc<Shared<R>>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut behind: Option<(Position, u32)> = None;
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            () = shared.look.notified() => true,
            () = shared.shutdown.cancelled() => return,
        };
        shared.state().expire(std::time::Instant::now());
        if !shared.is_caught_up() || !shared.bus.is_up() {
            continue;
        }
        // In this order: a position read after the answer may have passed it, which looks like a stream that was rolled back.
        let position = shared.position();
        let Ok(stream) = shared.bus.stream_state().await else { continue };
        let looks = behind.filter(|(at, _)| *at == position).map_or(0, |(_, looks)| looks);
        let stuck = stream.last_seq > position.seq && looks >= SILENT_LOOKS;
        if epoch_of(&stream) > position.epoch || went_back(&stream, position) || stuck {
            tracing::info!(%position, stream = %stream.position(), "following the stream anew");
            shared.restart.notify_one();
        }
        if !asked {
            behind = (stream.last_seq > position.seq).then_some((position, looks + 1));
        }
    }
}
