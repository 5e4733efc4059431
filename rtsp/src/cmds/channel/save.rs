//! `mobidic channel save`

use ::catalog::{
    segment::{SaveOptions, save},
    sweep::sweep,
};
use anyhow::{Result, bail};
use clap::Args;
use rtsp::{config::Config, headers::UtcTime};
use std::time::SystemTime;

#[derive(Args, Debug)]
pub struct SaveArgs {
    /// The channel
    name: String,
    /// From when: 2026-01-31T20:15:00Z (UTC), or so long ago: 2h, 90m, 30s
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: UtcTime,
    /// Up to when [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UtcTime>,
    /// The film's name
    #[arg(long = "as", value_name = "FILM")]
    film: String,
    /// Tell it as a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Config, args: SaveArgs) -> Result<()> {
    let to = args.to.unwrap_or_else(now);
    if to <= args.from {
        bail!("--from {} is not before --to {to}", args.from);
    }
    let catalog = crate::cmds::open_catalog(&config, false).await?;
    let nodes = crate::cmds::local_nodes(&config, &catalog).await?;
    let options = SaveOptions {
        channel: args.name,
        between_ns: args.from.0..to.0,
        name: args.film,
        policy: config.stripes.policy(nodes.stripe_set.len()),
        nodes: nodes.stripe_set.clone(),
    };
    let saved = tokio::select! {
        saved = save(&catalog, &nodes.cluster, &options) => saved.map_err(anyhow::Error::from),
        () = crate::cmds::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    // What was begun is cleared away while the nodes still run.
    let swept = sweep(&catalog, &nodes.cluster).await;
    nodes.stop().await;
    catalog.close().await;
    let saved = saved?;
    swept?;
    let (from, to) = (UtcTime(saved.between_ns.start), UtcTime(saved.between_ns.end));
    let film = &saved.presentation;
    if args.json {
        let told = serde_json::json!({
            "saved": film.name, "from": from.to_string(), "to": to.to_string(), "bytes": film.bytes(),
            "seconds": film.duration.as_secs_f64(),
        });
        println!("{told}");
    } else {
        println!(
            "saved {} s of {} as {}, from {from} to {to}",
            film.duration.as_secs_f64(),
            options.channel,
            film.name
        );
    }
    Ok(())
}

/// UTC with or without `-` and `:`, or a span before now.
fn time(text: &str) -> Result<UtcTime, String> {
    let plain: String = text.chars().filter(|char| !matches!(char, '-' | ':')).collect();
    if let Ok(time) = plain.parse() {
        return Ok(time);
    }
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'h')) => (&text[..at], 3_600),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 's')) => (&text[..at], 1),
        _ => (text, 0),
    };
    match number.parse::<u32>() {
        Ok(number) if unit > 0 => Ok(UtcTime(now().0 - i64::from(number) * unit * 1_000_000_000)),
        _ => {
            Err(format!("{text:?} is no time; it is written 2026-01-31T20:15:00Z (UTC), or 2h, 90m, 30s: so long ago"))
        }
    }
}

fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UtcTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        for text in ["2026-01-31T20:15:00Z", "20260131T201500Z", "2026-01-31t20:15:00.000z"] {
            assert_eq!(time(text), Ok(UtcTime(1_769_890_500_000_000_000)), "{text}");
        }
        for (text, ago) in [("2h", 7_200), ("90m", 5_400), ("30s", 30)] {
            let before = now().0;
            let off = time(text).unwrap().0 + ago * 1_000_000_000 - before;
            assert!((0..5_000_000_000).contains(&off), "{text}: {off}");
        }
        for text in ["", "h", "yesterday", "2026-01-31", "-5", "30", "20:15"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
