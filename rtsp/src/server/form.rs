//! The form in which a presentation is asked for: its tracks, or by `?as=mp2t` all of them as one transport stream; a channel
//! that is sent to a group by `?multicast` as that describes it.

use super::{Refusal, Server};
use crate::channel::NotStreamed;
use crate::message::StatusCode;
use crate::sdp;
use crate::session::Opened;
use crate::target::Target;
use catalog::index::Index;
use catalog::multiplex::multiplex;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};

/// Forms that are kept for the next viewer: each is as large as its film's tables.
const KEPT: usize = 8;

/// Transport streams that were made lately, each with what it was made of; the last used is the last.
pub(super) type Made = VecDeque<(Weak<Index>, Arc<Index>)>;

impl Server {
    /// What a request for `uri` plays of what its name stands for.
    pub(super) fn form(&self, uri: &str, opened: Opened) -> Result<Opened, Box<Refusal>> {
        if !is_transport_stream(uri) {
            return Ok(opened);
        }
        match opened {
            Opened::Film(index) => self.film_as_stream(index).map(Opened::Film),
            Opened::Channel(watching) => {
                let stream = watching.channel.as_transport_stream(&watching.live);
                let stream = stream.map_err(|error| match error {
                    NotStreamed::Over => Refusal::new(StatusCode::ServiceUnavailable, error.to_string()),
                    _ => Refusal::new(StatusCode::UnsupportedMediaType, error.to_string()),
                });
                stream.map(Opened::Channel)
            }
        }
    }

    fn film_as_stream(&self, index: Arc<Index>) -> Result<Arc<Index>, Box<Refusal>> {
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |made: &Made| made.iter().position(|(from, _)| std::ptr::eq(from.as_ptr(), Arc::as_ptr(&index)));
        {
            let mut made = made();
            made.retain(|(from, _)| from.strong_count() > 0);
            if let Some(form) = find(&made).and_then(|at| made.remove(at)) {
                made.push_back(form.clone());
                return Ok(form.1);
            }
        }
        let form = multiplex(&index, sdp::TRANSPORT_STREAM)
            .map_err(|error| Refusal::new(StatusCode::UnsupportedMediaType, error.to_string()))?;
        let form = Arc::new(form);
        let mut made = made();
        made.push_back((Arc::downgrade(&index), form.clone()));
        if made.len() > KEPT {
            made.pop_front();
        }
        Ok(form)
    }
}

/// By its query, or by the control URL of the only track.
fn is_transport_stream(uri: &str) -> bool {
    asks(uri, "as=mp2t")
        || matches!(Target::parse(uri), Ok(Target::Presentation { track: Some(sdp::TRANSPORT_STREAM), .. }))
}

/// Whether the group is to be in the description: players of live555's kind (MPlayer) ask for multicast only if it is.
pub(super) fn is_group(uri: &str) -> bool {
    asks(uri, "multicast")
}

fn asks(uri: &str, word: &str) -> bool {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    // Players put the control behind the query.
    let mut parts = query.split(['&', '/', '#']);
    parts.any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_its_form() {
        for (uri, expected) in [
            ("rtsp://h/film", false),
            ("rtsp://h/film?as=mp2t", true),
            ("rtsp://h/film?x=1&as=MP2T", true),
            ("rtsp://h/film?as=mp2t/track65537", true),
            ("rtsp://h/film/track65537", true),
            ("rtsp://h/film/?as=mp2t", true),
            ("rtsp://h/as=mp2t", false),
            ("rtsp://h/film?as=mp4", false),
            ("rtsp://h/film/track1", false),
        ] {
            assert_eq!(is_transport_stream(uri), expected, "{uri}");
        }
        assert!(is_group("rtsp://h/news?x&Multicast") && !is_group("rtsp://h/multicast?x=multicast"));
    }
}
