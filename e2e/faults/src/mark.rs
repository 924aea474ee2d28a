//! The last word of a channel: said when everything is over, and heard by everybody after everything else. Streams keep their order,
//! so what somebody gets twice, or too late, has come before it.

use std::time::{Duration, Instant};

use ajet_shared::id::{ChannelId, ClientMessageId, MessageId};
use ajet_shared::message::PostMessage;
use anyhow::Context as _;
use futures::future::try_join_all;

use crate::reader::Seen;
use crate::town::Person;

/// How long a stack may take to take a message when no fault goes on any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// A last word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Where it was said.
    pub(crate) channel: ChannelId,
    /// The message.
    pub(crate) message: MessageId,
}

impl Mark {
    /// Says it in each channel.
    pub(crate) async fn set(speaker: &Person, channels: &[ChannelId]) -> anyhow::Result<Vec<Self>> {
        try_join_all(channels.iter().map(|channel| Self::say(speaker, *channel))).await
    }

    async fn say(speaker: &Person, channel: ChannelId) -> anyhow::Result<Self> {
        let request = PostMessage {
            body_md: "That was all.".parse()?,
            client_msg_id: ClientMessageId::new(),
            parent_id: None,
            attachment_ids: Vec::new(),
        };
        let begun = Instant::now();
        loop {
            match speaker.client.post_message(channel, &request).await {
                Ok(said) => return Ok(Self { channel, message: said.id }),
                Err(error) if begun.elapsed() > PATIENCE => {
                    return Err(error).context("the last word is not taken");
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Takes it out of what somebody saw, once: heard twice, it is still a finding.
    pub(crate) fn strike(&self, seen: &mut Seen) {
        let Some(frames) = seen.channels.get_mut(&self.channel) else { return };
        if let Some(place) = frames.iter().position(|frame| frame.created == Some(self.message)) {
            frames.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::id::EventId;

    use super::*;
    use crate::reader::Frame;

    #[test]
    fn the_last_word_is_taken_out_once() {
        let (channel, message) = (ChannelId::new(), MessageId::new());
        let frame = |seq, created| Frame {
            seq,
            event: EventId::new(),
            created,
            at: Instant::now(),
            life: 0,
        };
        let mut seen = Seen::default();
        let frames = vec![frame(1, None), frame(2, Some(message)), frame(2, Some(message))];
        seen.channels.insert(channel, frames);
        Mark { channel, message }.strike(&mut seen);
        let left: Vec<i64> = seen.channels[&channel].iter().map(|frame| frame.seq).collect();
        assert_eq!(left, [1, 2], "what comes twice is found");
    }
}
