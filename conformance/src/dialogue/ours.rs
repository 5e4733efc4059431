//! What a recorded request becomes here: our URLs, our session, our ports, our challenge's answer.

use super::replay::Replayer;
use crate::suite::digest::digest;
use anyhow::{Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::net::UdpSocket;

/// Where a track comes in over UDP.
pub(super) struct Pair {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    pub(super) server_port: u16,
    /// As the answer told it. Whoever had this port before may still be played to.
    pub(super) ssrc: Option<u32>,
}

impl Replayer<'_> {
    pub(super) fn our_uri(&mut self, method: &str, uri: &str) -> String {
        if uri == "*" {
            return uri.to_owned();
        }
        if let Some(track) = self.published.as_ref().and_then(|published| uri.strip_prefix(published.as_str())) {
            return format!("{}{track}", self.stage.url);
        }
        if method == "SETUP" && !self.controls.is_empty() {
            let index = self.setups.iter().position(|seen| seen == uri).unwrap_or_else(|| {
                self.setups.push(uri.to_owned());
                self.setups.len() - 1
            });
            return self.controls[index.min(self.controls.len() - 1)].clone();
        }
        if let Some(index) = self.setups.iter().position(|seen| seen == uri) {
            return self.controls[index.min(self.controls.len() - 1)].clone();
        }
        // What stands for no presentation (the Real probes of VLC and MPlayer) stays strange to us too.
        let path = uri.splitn(4, '/').nth(3).unwrap_or("");
        if path.is_empty() || path.contains("stream=0") && self.controls.is_empty() {
            return format!("rtsp://{}/{path}", self.stage.server);
        }
        if path.ends_with('/') { format!("{}/", self.stage.url) } else { self.stage.url.to_owned() }
    }

    pub(super) fn our_session(&self, recorded: &str) -> String {
        let parameters = recorded.split_once(';').map(|(_, rest)| format!(";{rest}")).unwrap_or_default();
        format!(" {}{parameters}", self.session.as_deref().unwrap_or("nosuchsession"))
    }

    /// The same kind of answer to our own challenge: the style of RFC 2069 or with qop, the algorithm told or not.
    pub(super) fn our_authorization(&self, recorded: &str, method: &str, uri: &str, old: bool) -> String {
        let (user, password) = self.stage.user;
        if recorded.trim_start().starts_with("Basic") {
            return format!(" Basic {}", STANDARD.encode(format!("{user}:{password}")));
        }
        if recorded.contains("username=\"\"") {
            return recorded.to_owned();
        }
        let response = recorded.split("response=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
        let name = if response.len() == 64 { "SHA-256" } else { "MD5" };
        let mine = self.challenges.iter().find(|challenge| challenge.get("algorithm").is_none_or(|it| it == name));
        let mut challenge = mine.cloned().unwrap_or_default();
        for (_, nonce) in challenge.parameters.iter_mut().filter(|(name, _)| old && name == "nonce") {
            *nonce = "b2xk".into();
        }
        let value = digest(&challenge, user, password, method, uri, recorded.contains("qop=").then_some(1));
        let told = recorded.contains("algorithm=");
        format!(" {}", if told { value } else { value.replace(&format!(", algorithm={name}"), "") })
    }

    pub(super) fn our_transport(&mut self, recorded: &str) -> Result<String> {
        let Some(at) = recorded.find("client_port=") else { return Ok(recorded.to_owned()) };
        let (rtp, rtcp) = socket_pair()?;
        let port = rtp.local_addr()?.port();
        self.sockets.push(Pair { rtp, rtcp, server_port: 0, ssrc: None });
        let rest = recorded[at..].split_once(';').map(|(_, rest)| format!(";{rest}")).unwrap_or_default();
        Ok(format!("{}client_port={port}-{}{rest}", &recorded[..at], port + 1))
    }
}

/// Two UDP sockets on neighbouring ports, the first even.
fn socket_pair() -> Result<(UdpSocket, UdpSocket)> {
    for _ in 0..200 {
        let first = UdpSocket::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port % 2 == 1 || port == u16::MAX {
            continue;
        }
        if let Ok(second) = UdpSocket::bind(("127.0.0.1", port + 1)) {
            first.set_nonblocking(true)?;
            second.set_nonblocking(true)?;
            return Ok((first, second));
        }
    }
    bail!("no pair of free UDP ports")
}
