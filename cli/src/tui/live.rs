//! The live stream in the background, with this program's own pauses between attempts.

use std::time::Duration;

use ajet_shared::client::{ApiClient, ClientError, Events, Received};
use ajet_shared::id::ChannelId;
use ajet_shared::position::Position;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::event::Event;

/// Pauses between attempts in seconds (design/tui.md §1.5).
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// The running stream; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Live {
    control: UnboundedSender<Control>,
}

enum Control {
    /// Do not wait any longer.
    Now,
    /// Go on from the same place, with another guest channel.
    Again(Option<ChannelId>),
}

impl Live {
    pub(crate) fn start(
        client: ApiClient,
        cursor: Position,
        guest: Option<ChannelId>,
        sender: UnboundedSender<Event>,
    ) -> Self {
        let (control, orders) = unbounded_channel();
        tokio::spawn(follow(client, cursor, guest, sender, orders));
        Self { control }
    }

    pub(crate) fn now(&self) {
        let _ = self.control.send(Control::Now);
    }

    pub(crate) fn again(&self, guest: Option<ChannelId>) {
        let _ = self.control.send(Control::Again(guest));
    }
}

async fn follow(
    client: ApiClient,
    cursor: Position,
    guest: Option<ChannelId>,
    sender: UnboundedSender<Event>,
    mut orders: UnboundedReceiver<Control>,
) {
    let mut events = client.events(Some(cursor), guest);
    let mut attempt = 0;
    loop {
        let event = tokio::select! {
            received = events.next() => match received {
                Ok(received) => Event::Live(paced(received, &mut events, &mut attempt)),
                Err(error) => {
                    let _ = sender.send(Event::Ended(error));
                    // Nothing more comes of this one; another guest, or none, may do.
                    match orders.recv().await {
                        Some(Control::Again(guest)) => events = client.events(events.cursor(), guest),
                        Some(Control::Now) => events = client.events(events.cursor(), None),
                        None => return,
                    }
                    continue;
                }
            },
            order = orders.recv() => {
                match order {
                    Some(Control::Now) => events.retry_in(Duration::ZERO),
                    Some(Control::Again(guest)) => events = client.events(events.cursor(), guest),
                    None => return,
                }
                continue;
            }
        };
        if sender.send(event).is_err() {
            return;
        }
    }
}

/// A loss gets the pause of this attempt, unless the server asked for one.
fn paced(received: Received, events: &mut Events, attempt: &mut usize) -> Received {
    match received {
        Received::Lost { error, pause } => {
            let wanted =
                matches!(&error, ClientError::Problem(problem) if problem.retry_after.is_some());
            let pause =
                if wanted { pause } else { jittered(PAUSES[(*attempt).min(PAUSES.len() - 1)]) };
            *attempt += 1;
            events.retry_in(pause);
            Received::Lost { error, pause }
        }
        Received::Ready => {
            *attempt = 0;
            received
        }
        _ => received,
    }
}

/// Many lose the server at one moment; they do not come back at one moment.
fn jittered(seconds: u64) -> Duration {
    Duration::from_secs(seconds).mul_f64(rand::random_range(0.75..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_under_what_is_announced() {
        for seconds in PAUSES {
            let pause = jittered(seconds);
            assert!(
                pause <= Duration::from_secs(seconds)
                    && pause >= Duration::from_millis(seconds * 750)
            );
        }
    }
}
