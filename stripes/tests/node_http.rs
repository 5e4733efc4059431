//! A node as `curl` and as strangers see it: raw HTTP over a socket.

mod common;

use common::*;
use std::{net::SocketAddr, time::Duration};
use stripes::{id::ObjectId, layout::MAX_UNIT_SIZE, net::ClusterOptions, node::NodeLimits, store::StoreOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `request` on a connection of its own and gives all that comes back until the node closes.
async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The node may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no end of the answer");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(node: &TestNode, line: &str, headers: &str, body: &[u8]) -> String {
    let mut request = format!("{line} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{headers}");
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    raw(node.address, &[(request + "\r\n").as_bytes(), body].concat()).await
}

fn check(answer: &str, status: u16, parts: &[&str]) {
    let first = answer.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("HTTP/1.1 {status} ")), "expected {status}: {answer}");
    for part in parts {
        assert!(answer.contains(part), "{part:?} is missing: {answer}");
    }
}

#[tokio::test]
async fn a_unit_is_put_got_cut_looked_at_and_deleted() {
    let node = TestNode::new(StoreOptions::default(), NodeLimits::default());
    let object = ObjectId(0x77);
    let path = format!("/objects/{object}/units/3.1");
    let crc = format!("{:08x}", crc32c::crc32c(b"hello, disk"));
    let headers = format!("x-unit-crc32c: {crc}\r\nx-unit-size: 4096\r\n");
    let id = format!("x-node-id: {}", node.id);
    check(&ask(&node, &format!("GET {path}"), "", b"").await, 404, &["x-refusal: absent", &object.to_string(), &id]);
    check(&ask(&node, &format!("PUT {path}"), &headers, b"hello, disk").await, 204, &[&id]);
    let whole = ask(&node, &format!("GET {path}"), "", b"").await;
    check(&whole, 200, &["\r\n\r\nhello, disk", &format!("x-unit-crc32c: {crc}"), "accept-ranges: bytes"]);
    let part_crc = format!("x-unit-crc32c: {:08x}", crc32c::crc32c(b"disk"));
    let part = ask(&node, &format!("GET {path}"), "Range: bytes=7-10\r\n", b"").await;
    check(&part, 206, &["\r\n\r\ndisk", "content-range: bytes 7-10/11", &part_crc]);
    let past = ask(&node, &format!("GET {path}"), "Range: bytes=11-\r\n", b"").await;
    check(&past, 416, &["content-range: bytes */11", "has 11 bytes"]);
    let head = ask(&node, &format!("HEAD {path}"), "", b"").await;
    check(&head, 200, &["content-length: 11", &crc]);
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    check(&ask(&node, &format!("GET /objects/{object}"), "", b"").await, 200, &["\"units\":1,\"bytes\":11"]);
    check(&ask(&node, "GET /objects?limit=5", "", b"").await, 200, &[&object.to_string(), "\"sealed\":false"]);
    check(&ask(&node, "GET /health", "", b"").await, 200, &["free_bytes", &node.id.to_string()]);
    let statistics = ask(&node, "GET /statistics", "", b"").await;
    check(&statistics, 200, &["\"units_read\":2", "\"units_written\":1", "\"refused\":2", "\"connections\":1"]);
    check(&ask(&node, &format!("DELETE /objects/{object}"), "", b"").await, 204, &[]);
    check(&ask(&node, &format!("DELETE /objects/{object}"), "", b"").await, 204, &[]);
    check(&ask(&node, &format!("GET /objects/{object}"), "", b"").await, 404, &["absent"]);
}

#[tokio::test]
async fn what_makes_no_sense_gets_one_clear_line() {
    let node = TestNode::new(StoreOptions::default(), NodeLimits::default());
    let unit = format!("/objects/{}/units/0.0", ObjectId(1));
    let put = format!("PUT {unit}");
    let good = format!("x-unit-crc32c: {:08x}\r\nx-unit-size: 4096\r\n", crc32c::crc32c(b"x"));
    for (line, headers, body, status, reason) in [
        ("GET /", "", "", 404, "there are /objects"),
        ("POST /health", "", "", 405, "see Allow"),
        ("GET /objects/xyz", "", "", 400, "expected 32 lower-case hex digits"),
        (&format!("GET /objects/{}/units/0", ObjectId(1)), "", "", 400, "expected row.position"),
        ("GET /objects?after=1", "", "", 400, "expected 32"),
        (&put, "x-unit-size: 4096\r\n", "x", 400, "x-unit-crc32c is missing"),
        (&put, "x-unit-crc32c: 00000000\r\n", "x", 400, "x-unit-size is missing"),
        (&put, "x-unit-crc32c: 00000000\r\nx-unit-size: 4096\r\n", "x", 400, "damaged on the way"),
        (&put, "x-unit-crc32c: 00000000\r\nx-unit-size: 4096\r\n", "", 400, "1 to 4096 are allowed"),
        (&put, "x-unit-crc32c: 00000000\r\nx-unit-size: 1\r\n", "x", 400, "units of 1 bytes"),
        (&put, &format!("{good}Transfer-Encoding: chunked\r\n"), "", 411, "Content-Length is missing"),
        (&put, &format!("{good}Content-Length: {}\r\n", MAX_UNIT_SIZE + 1), "", 413, "at most 4194304"),
        (&put, &format!("{good}Content-Length: 99999999999999999999\r\n"), "", 400, ""),
        (&format!("PUT /objects/{}/manifest", ObjectId(1)), "", "{}", 400, "not a manifest"),
    ] {
        let answer = ask(&node, line, headers, body.as_bytes()).await;
        check(&answer, status, &[reason]);
    }
    check(&raw(node.address, b"\x16\x03\x01 this is not HTTP\r\n\r\n").await, 400, &[]);
    check(&ask(&node, &put, &good, b"x").await, 204, &[]);
}

#[tokio::test]
async fn connections_over_the_limit_are_told_and_the_others_go_on() {
    let limits = NodeLimits { max_connections: 3, ..NodeLimits::default() };
    let node = TestNode::new(StoreOptions::default(), limits);
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: node\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        kept.push(stream);
    }
    for _ in 0..40 {
        check(&ask(&node, "GET /health", "", b"").await, 503, &["x-refusal: busy", "3 connections, its limit"]);
    }
    kept.pop();
    let mut answer = String::new();
    for _ in 0..100 {
        answer = ask(&node, "GET /statistics", "", b"").await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    check(&answer, 200, &["\"connections\":3"]);
}

#[tokio::test]
async fn slow_strangers_are_cut_off() {
    let short = Duration::from_millis(200);
    let limits = NodeLimits { idle_timeout: short, body_timeout: short, stall_timeout: short, ..NodeLimits::default() };
    let node = TestNode::new(StoreOptions::default(), limits);
    // Says nothing; begins a head; never sends the body; asks on and never reads.
    assert_eq!(raw(node.address, b"").await, "");
    let half_head = raw(node.address, b"GET /health HT").await;
    assert!(half_head.is_empty() || half_head.starts_with("HTTP/1.1 408"), "{half_head}");
    let put = format!(
        "PUT /objects/{}/units/0.0 HTTP/1.1\r\nHost: n\r\nx-unit-crc32c: 00000000\r\nx-unit-size: 4096\r\nContent-Length: 10\r\n\r\nabc",
        ObjectId(1)
    );
    check(&raw(node.address, put.as_bytes()).await, 408, &["took longer than 200ms"]);

    let layout = stripes::layout::Layout {
        policy: stripes::layout::Policy { unit_size: MAX_UNIT_SIZE, data: 1, parity: 0 },
        ..single(&node, MAX_UNIT_SIZE as usize)
    };
    let cluster = cluster_with(std::slice::from_ref(&node), ClusterOptions::default());
    cluster.put_unit(&layout, layout.address(0), body(MAX_UNIT_SIZE as usize)).await.unwrap();
    let get = format!("GET /objects/{}/units/0.0 HTTP/1.1\r\nHost: n\r\n\r\n", layout.object);
    let mut deaf = TcpStream::connect(node.address).await.unwrap();
    deaf.write_all(get.repeat(20).as_bytes()).await.unwrap();
    // Everybody is sent away, and only this one who asks is left.
    let mut left = 0;
    for _ in 0..100 {
        tokio::time::sleep(short / 4).await;
        left = cluster.statistics(node.id).await.unwrap().connections;
        if left == 1 {
            break;
        }
    }
    assert_eq!(left, 1);
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(Ok(count @ 1..)) = timeout(PATIENCE, deaf.read(&mut buffer)).await {
        taken += count;
    }
    assert!(taken < 20 * MAX_UNIT_SIZE as usize, "{taken}");
}

#[tokio::test]
async fn memory_for_units_is_shared_and_waiting_ends() {
    let limits = NodeLimits {
        max_in_flight_bytes: MAX_UNIT_SIZE,
        busy_timeout: Duration::from_millis(100),
        ..NodeLimits::default()
    };
    let node = TestNode::new(StoreOptions::default(), limits);
    // One who announces a largest unit and doesn't send it holds all the place there is.
    let head = |length| {
        format!(
            "PUT /objects/{}/units/0.0 HTTP/1.1\r\nHost: n\r\nConnection: close\r\nx-unit-crc32c: {:08x}\r\nx-unit-size: {MAX_UNIT_SIZE}\r\nContent-Length: {length}\r\n\r\n",
            ObjectId(1),
            crc32c::crc32c(b"x"),
        )
    };
    let mut hoarder = TcpStream::connect(node.address).await.unwrap();
    hoarder.write_all(head(MAX_UNIT_SIZE).as_bytes()).await.unwrap();
    let one_byte = head(1) + "x";
    let answer = until(&node, &one_byte, "HTTP/1.1 503").await;
    check(&answer, 503, &["x-refusal: busy", "no place in memory for 1 bytes"]);
    drop(hoarder);
    check(&until(&node, &one_byte, "HTTP/1.1 204").await, 204, &[]);
}

/// Asks again until the answer begins so: what another connection does takes effect some time.
async fn until(node: &TestNode, request: &str, begin: &str) -> String {
    let mut answer = String::new();
    for _ in 0..100 {
        answer = raw(node.address, request.as_bytes()).await;
        if answer.starts_with(begin) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answer
}

#[tokio::test]
async fn a_stopped_node_finishes_what_it_began() {
    let node = TestNode::new(StoreOptions::default(), NodeLimits::default());
    let address = node.address;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /objects/{}/units/0.0 HTTP/1.1\r\nHost: n\r\nx-unit-crc32c: {:08x}\r\nx-unit-size: 4096\r\nContent-Length: 2\r\n\r\n",
        ObjectId(1),
        crc32c::crc32c(b"ab"),
    );
    busy.write_all((head + "a").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopped = tokio::spawn(node.stop());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(TcpStream::connect(address).await.is_err());
    busy.write_all(b"b").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, busy.read_to_string(&mut answer)).await.unwrap().unwrap();
    check(&answer, 204, &[]);
    let mut nothing = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert_eq!(nothing, b"");
    timeout(Duration::from_secs(2), stopped).await.expect("an idle connection must not hold it up").unwrap();
}
