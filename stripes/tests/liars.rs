//! What answers at a node's address need not be a node, nor tell the truth.

mod common;

use common::*;
use std::time::Duration;
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
    net::{Cluster, ClusterOptions, NodeAddress, NodeFailure, ObjectWriter, UnitSource},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const ID: NodeId = NodeId(0x55);
const LENGTH: usize = 5000;

/// A cluster of one, which answers everything with these bytes and closes.
async fn liar(answer: Vec<u8>) -> (Cluster, Layout) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    let cluster = Cluster::new(vec![NodeAddress { id: ID, url }], ClusterOptions::default()).unwrap();
    let policy = Policy { unit_size: UNIT as u32, data: 1, parity: 0 };
    (cluster, Layout::new(ObjectId(1), LENGTH as u64, policy, vec![ID], 0))
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nx-node-id: {ID}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn failure(answer: Vec<u8>) -> NodeFailure {
    let (cluster, layout) = liar(answer).await;
    let error = cluster.get_unit(&layout, layout.address(0), Duration::from_secs(2)).await.unwrap_err();
    let text = error.to_string();
    for part in [ID.to_string(), ObjectId(1).to_string(), "unit 0.0".to_owned()] {
        assert!(text.contains(&part), "{text} lacks {part}");
    }
    error.failure
}

#[tokio::test]
async fn a_true_answer_is_taken() {
    let good = bytes(LENGTH);
    let crc = format!("x-unit-crc32c: {:08x}\r\n", crc32c::crc32c(&good));
    let (cluster, layout) = liar(answer("200 OK", &crc, &good)).await;
    assert_eq!(cluster.get_unit(&layout, layout.address(0), Duration::from_secs(2)).await.unwrap(), good);
}

#[tokio::test]
async fn every_false_answer_is_told_apart() {
    let good = bytes(LENGTH);
    let sum = crc32c::crc32c(&good);
    let crc = format!("x-unit-crc32c: {sum:08x}\r\n");

    let mut flipped = good.clone();
    flipped[LENGTH / 2] ^= 1;
    let got = crc32c::crc32c(&flipped);
    assert_eq!(failure(answer("200 OK", &crc, &flipped)).await, NodeFailure::Checksum { named: sum, got });

    let senseless = |failure, part: &str| match failure {
        NodeFailure::Answer(text) => assert!(text.contains(part), "{text} lacks {part}"),
        other => panic!("{other:?}"),
    };
    senseless(failure(answer("200 OK", "", &good)).await, "no x-unit-crc32c");
    senseless(failure(answer("200 OK", &crc, &good[1..])).await, "4999 bytes where the unit has 5000");
    senseless(failure(answer("200 OK", &crc, &bytes(UNIT + 1))).await, "at most 16384");
    senseless(failure(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await, "no x-node-id");
    let endless = format!("HTTP/1.1 200 OK\r\nx-node-id: {ID}\r\n\r\n");
    senseless(failure([endless.as_bytes(), &bytes(3 * UNIT)].concat()).await, "more than the 16384");

    let broken = |failure: &NodeFailure| matches!(failure, NodeFailure::Unreachable(_));
    let mut short = answer("200 OK", &crc, &good);
    short.truncate(short.len() - 1);
    for nonsense in [short, b"SSH-2.0-OpenSSH\r\n".to_vec(), b"HTTP/1.1 2".to_vec(), vec![]] {
        let failure = failure(nonsense).await;
        assert!(broken(&failure), "{failure:?}");
    }

    let full = failure(answer("507 Insufficient Storage", "x-refusal: full\r\n", b"no room\n")).await;
    assert_eq!(full, NodeFailure::Full("no room".to_owned()));
    let long = failure(answer("500 Internal Server Error", "x-refusal: new\r\n", &bytes(100_000))).await;
    assert_eq!(long, NodeFailure::Refused(500, String::new()), "a text of 100 kB is not kept");
}

#[tokio::test]
async fn damage_on_the_way_is_not_cached() {
    let good = bytes(LENGTH);
    let (cluster, layout) = liar(answer("200 OK", "x-unit-crc32c: 00000000\r\n", &good)).await;
    let (source, layout) = (UnitSource::new(cluster, 1 << 20), std::sync::Arc::new(layout));
    for _ in 0..2 {
        let error = source.unit(&layout, 0, Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(error.failure, NodeFailure::Checksum { .. }), "{error}");
    }
    assert_eq!(source.cached(layout.object, 0), None);
    assert_eq!(source.statistics().misses, 2);
}

#[tokio::test]
async fn a_writer_believes_no_refusal_away() {
    let (cluster, layout) = liar(answer("503 Service Unavailable", "x-refusal: busy\r\n", b"later\n")).await;
    let mut writer = ObjectWriter::create(&cluster, layout.policy, vec![ID]).unwrap();
    writer.write(&bytes(10)).await.unwrap();
    let error = writer.finish("media").await.unwrap_err().to_string();
    assert!(error.contains("the node is busy: later"), "{error}");
}
