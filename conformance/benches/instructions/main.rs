//! Instructions a packet for each payload format, counted by callgrind: a figure that no busy machine changes.
//!
//! ```text
//! cargo bench -p conformance --bench instructions              # compares with the table; exit status 1 beyond 5 %
//! cargo bench -p conformance --bench instructions -- --write   # writes benches/instructions.tsv anew
//! ```
//!
//! Each format packetizes access units of a fixed size, over UDP with filling up as the server does it; only that is
//! counted, not making the units. Compilers change the figures too: write the table anew with a new compiler.

mod units;

use anyhow::{Context, Result, bail, ensure};
use rtp::{
    access_unit::AccessUnit,
    clock::RtpTimestamp,
    format::Bundling,
    packetizer::Packetizer,
    train::{Framing, Train},
};
use std::{collections::BTreeMap, fmt::Write, path::PathBuf, process::Command};
use units::{Case, cases};

/// Groups of units that are packetized in one run: the first few pay for growing buffers.
const ROUNDS: u32 = 200;

/// Beyond this a figure has changed.
const TOLERANCE: f64 = 0.05;

/// Packets that leave together at most, as configured by default.
const AT_ONCE: usize = 16;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", name] => {
            let case = cases().into_iter().find(|case| case.name == name).context("no such case")?;
            println!("{}", packetize(&case)?);
            Ok(())
        }
        ["--write"] => {
            let table = count_all()?;
            std::fs::write(path(), &table)?;
            print!("{table}");
            Ok(())
        }
        [] => compare(&count_all()?, &std::fs::read_to_string(path()).context("no table: run with --write")?),
        _ => bail!("--write or nothing, not {arguments:?}"),
    }
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches", "instructions.tsv"].iter().collect()
}

/// What is counted. Answers the packets made.
#[inline(never)]
fn packetize(case: &Case) -> Result<u32> {
    let mut stored = vec![Vec::new(); case.units.len()];
    for (unit, stored) in case.units.iter().zip(&mut stored) {
        case.format.store(unit, true, stored)?;
    }
    let units: Vec<AccessUnit<'_>> = (0_u32..)
        .zip(&stored)
        .map(|(at, data)| AccessUnit { data, timestamp: RtpTimestamp(at * case.step), sync: true })
        .collect();
    let step = if case.format.bundling() == Bundling::Many { units.len() } else { 1 };
    let mut packetizer = Packetizer::new(&case.format, 96, 1, 0, 1400);
    packetizer.share_sends(true);
    let mut train = Train::new(Framing::Datagram);
    let mut packets = 0;
    for _ in 0..ROUNDS {
        packets += counted(&mut packetizer, &mut train, &units, step)?;
    }
    Ok(packets)
}

/// The name is callgrind's switch.
#[inline(never)]
fn counted(packetizer: &mut Packetizer, train: &mut Train, units: &[AccessUnit<'_>], step: usize) -> Result<u32> {
    train.clear(Framing::Datagram);
    for units in units.chunks(step) {
        packetizer.packetize(units, train)?;
    }
    train.fill_up(AT_ONCE);
    Ok(std::hint::black_box(&*train).len() as u32)
}

/// The table: format, packets of a group of units, instructions a packet.
fn count_all() -> Result<String> {
    let mut table = "format\tunits\tpackets\tinstructions a packet\n".to_owned();
    for case in cases() {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*instructions::counted*"])
            .arg(std::env::current_exe()?)
            .args(["--run", case.name])
            .output()
            .context("running valgrind")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", case.name);
        let collected = said.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
        let instructions: f64 = collected.split_whitespace().next().context("an empty count")?.parse()?;
        let packets: u32 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
        let each = instructions / f64::from(packets);
        writeln!(table, "{}\t{}\t{}\t{each:.0}", case.name, case.units.len(), packets / ROUNDS)?;
    }
    Ok(table)
}

fn compare(now: &str, before: &str) -> Result<()> {
    let before: BTreeMap<&str, f64> = figures(before).collect();
    let mut changed = 0;
    for (format, each) in figures(now) {
        let note = match before.get(format) {
            None => "new",
            Some(before) if (each / before - 1.0).abs() > TOLERANCE => "CHANGED",
            Some(_) => "",
        };
        changed += usize::from(!note.is_empty());
        println!(
            "{format:12} {each:8.0} {:>8} {note}",
            before.get(format).map_or(String::new(), |each| each.to_string())
        );
    }
    ensure!(changed == 0, "{changed} figures have changed by more than {:.0} %", TOLERANCE * 100.0);
    Ok(())
}

fn figures(table: &str) -> impl Iterator<Item = (&str, f64)> {
    let lines = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    lines.filter_map(|fields| Some((*fields.first()?, fields.get(3)?.parse().ok()?)))
}
