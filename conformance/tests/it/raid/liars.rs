//! A node that answers rubbish, stops in the middle, or has become twenty times slower; a disk that gets full. All
//! while viewers watch, who must not notice.

use super::{
    audience::{Audience, EXACT, ONE},
    harm::{Fault, Proxy, SmallDisk},
    world::{Node, World, node_folder},
};
use conformance::films::Recipe;
use std::time::Duration;

/// Too large for the small disk.
const BIG: Recipe = Recipe { file: "big.mpg", length: 40, options: "-c:v mpeg1video -b:v 8M -minrate 8M -f mpeg" };
const SMALL_DISK_MIB: u32 = 6;

#[test]
fn viewers_notice_nothing_of_a_node_that_answers_rubbish_or_too_slowly_or_whose_disk_is_full() {
    let (mut proxy, mut disk) = (None, None);
    let world = World::with(1, &[ONE, Recipe { length: 20, ..EXACT }], |folder| {
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

    let audience = Audience::begin(&world, &["one"], 2, Duration::from_secs(20));
    for (from, to, fault) in
        [(1, 4, Fault::Noise), (5, 8, Fault::Short), (9, 12, Fault::Slow), (13, 15, Fault::Flipped)]
    {
        audience.until(from);
        proxy.set(fault);
        audience.until(to);
        proxy.set(Fault::None);
    }
    let said = world.run(&["add", "--parity", "1", &big.to_string_lossy()]);
    assert!(disk.is_none() || said.contains("wait for a repair"), "{said}");
    audience.noticed_nothing();
    for name in ["one", "exact"] {
        world.run(&["check", name]);
    }
}
