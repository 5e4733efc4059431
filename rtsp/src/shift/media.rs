//! The units of windows, beside those of films.

use super::{Shift, window::LINE_BYTES};
use crate::worker::{ClusterMedia, Fetched, MediaSource};
use bytes::{Bytes, BytesMut};
use std::{sync::Arc, time::Duration};
use stripes::{layout::Layout, scattered::Piece};

/// Units of the cluster, and of windows over it.
pub struct ShiftMedia {
    /// Films.
    pub films: ClusterMedia,
    /// Windows.
    pub shift: Shift,
}

impl MediaSource for ShiftMedia {
    fn cached(&self, layout: &Layout, unit: u64) -> Option<Bytes> {
        if layout.length != LINE_BYTES {
            return self.films.cached(layout, unit);
        }
        let (segment, own) = self.shift.unit(layout.object, unit)?;
        Some(whole(self.films.cached(&segment, own)?, layout))
    }

    fn fetch(&self, layout: Arc<Layout>, unit: u64, deadline: Duration) -> Fetched {
        if layout.length != LINE_BYTES {
            return self.films.fetch(layout, unit, deadline);
        }
        let Some((segment, own)) = self.shift.unit(layout.object, unit) else {
            return Box::pin(async { Err("it has gone from the channel's window".to_owned()) });
        };
        let fetched = self.films.fetch(segment, own, deadline);
        Box::pin(async move { Ok(whole(fetched.await?, &layout)) })
    }

    fn fetch_piece(&self, layout: Arc<Layout>, piece: Piece, deadline: Duration) -> Fetched {
        if layout.length != LINE_BYTES {
            return self.films.fetch_piece(layout, piece, deadline);
        }
        let whole = self.fetch(layout, piece.unit, deadline);
        Box::pin(async move { Ok(piece.of(&whole.await?)) })
    }
}

/// On a window's line every unit has its full size; a segment's last may be shorter.
fn whole(unit: Bytes, layout: &Layout) -> Bytes {
    let size = layout.policy.unit_size as usize;
    if unit.len() >= size {
        return unit;
    }
    let mut filled = BytesMut::from(unit);
    filled.resize(size, 0);
    filled.freeze()
}
