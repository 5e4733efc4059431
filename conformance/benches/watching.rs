//! Channels of every kind of feed, watched by ffmpeg and GStreamer over TCP, over UDP and by multicast for a long time: does
//! each see every picture, and hear every frame of sound, with it.
//!
//! ```text
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench watching -- [options]
//!   --minutes M      of each (10)
//!   --feeds A,B,...  of h264-aac, mpeg4-mp3, mpeg2-mp2, h265-aac, mjpeg-aac, gstreamer, ts (all)
//!   --ways A,B,...   of tcp, udp, multicast (all)
//! ```
//!
//! It takes root, for network namespaces. Each viewer decodes: all at once take about one core.

use anyhow::{Context, Result, ensure};
use conformance::watching::{Plan, Player, Way};
use std::time::Duration;

const WAYS: [Way; 3] = [Way::Tcp, Way::Udp, Way::Multicast];

/// Sound and pictures may be as far apart.
const FRAME: Duration = Duration::from_millis(40);

fn main() -> Result<()> {
    let (mut minutes, mut feeds, mut ways) = (10.0, Vec::new(), WAYS.to_vec());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut list = || -> Result<Vec<String>> {
            let value = arguments.next().with_context(|| format!("{argument} wants a value"))?;
            Ok(value.split(',').map(str::to_owned).collect())
        };
        match argument.as_str() {
            "--minutes" => minutes = list()?.concat().parse::<f64>()?,
            "--feeds" => feeds = list()?,
            "--ways" => {
                let names = list()?;
                ways.retain(|way| names.contains(&way.to_string()));
            }
            // Cargo's own.
            "--bench" => {}
            other => anyhow::bail!("{other}? --minutes, --feeds and --ways are known"),
        }
    }
    let viewers = ways.iter().flat_map(|way| [Player::Ffmpeg, Player::Gstreamer].map(|player| (player, *way)));
    let plan = Plan { seconds: (minutes * 60.0) as u32, feeds, viewers: viewers.collect(), apart: Some(FRAME) };
    let rows = plan.run()?;
    rows.iter().for_each(|row| println!("{row}"));
    let wrong = rows.iter().filter(|row| row.watched.is_err()).count();
    ensure!(wrong == 0, "{wrong} of {} differ", rows.len());
    Ok(())
}
