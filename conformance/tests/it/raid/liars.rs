//! A node that answers rubbish, stops in the middle, or has become twenty times slower; a disk that gets full. All
//! while viewers watch, who must not notice.

use super::{
    harm::{Fault, Proxy, SmallDisk},
    noticed_nothing,
    world::{Node, World, node_folder},
};
use conformance::{
    compare::{Transport, compare},
    films::Recipe,
};
use std::time::{Duration, Instant};

const FILMS: [Recipe; 2] = [
    Recipe { file: "one.mpg", length: 36, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -bf 0 -c:a mp2 -f mpeg" },
    Recipe {
        file: "exact.mp4",
        length: 20,
        options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 1M -minrate 1M -c:a aac -b:a 96k",
    },
];
/// Too large for the small disk.
const BIG: Recipe = Recipe { file: "big.mpg", length: 40, options: "-c:v mpeg1video -b:v 8M -minrate 8M -f mpeg" };
const SMALL_DISK_MIB: u32 = 6;

#[test]
fn viewers_notice_nothing_of_a_node_that_answers_rubbish_or_too_slowly_or_whose_disk_is_full() {
    let (mut proxy, mut disk) = (None, None);
    let world = World::with(1, &FILMS, |folder| {
        disk = SmallDisk::mount(&node_folder(folder, 3), SMALL_DISK_MIB);
        let mut nodes: Vec<Node> = (0..4).map(|number| Node::start(node_folder(folder, number))).collect();
        let between = Proxy::start(&nodes[1]);
        nodes[1].url.clone_from(&between.url);
        proxy = Some(between);
        nodes
    });
    // The disk goes before the world's folders do.
    let (proxy, disk) = (proxy.unwrap(), disk);
    if disk.is_none() {
        println!("skipped: mounting a small file system is not allowed here; no disk gets full");
    }
    let big = BIG.make(&world.folder).unwrap();

    let time = Duration::from_secs(20);
    let begun = Instant::now();
    let viewers: Vec<_> = (0..6).map(|number| world.watch("one", 2 * number, time)).collect();
    let (file, url) = (world.folder.join(FILMS[1].file), world.url("exact"));
    let exact = std::thread::spawn(move || compare(&file, &url, Transport::Tcp, Duration::from_secs(60)).unwrap());
    let until = |seconds| std::thread::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));
    for (from, to, fault) in
        [(1, 4, Fault::Noise), (5, 8, Fault::Short), (9, 12, Fault::Slow), (13, 15, Fault::Flipped)]
    {
        until(from);
        proxy.set(fault);
        until(to);
        proxy.set(Fault::None);
    }
    let said = world.run(&["add", "--parity", "1", &big.to_string_lossy()]);
    assert!(disk.is_none() || said.contains("wait for a repair"), "{said}");
    assert!(begun.elapsed() < time, "the viewers were gone before it was over: {:?}", begun.elapsed());

    viewers.into_iter().for_each(noticed_nothing);
    let report = exact.join().unwrap();
    assert!(report.is_exact(), "{report}");
    for name in ["one", "exact"] {
        world.run(&["check", name]);
    }
}
