//! The identity hue of a person, community or channel (design.md section 3): one of twelve, made from its id.

use uuid::Uuid;

/// How many identity hues the stylesheet has.
pub const HUES: u8 = 12;

/// The hue class number of a thing, `0..HUES`: FNV-1a over the id, so that neighbouring ids differ.
#[must_use]
pub fn hue(id: impl Into<Uuid>) -> u8 {
    let hash = id.into().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u8::try_from((hash >> 32) % u64::from(HUES)).unwrap_or(0)
}
