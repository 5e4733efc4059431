//! The framer against whole texts, single bytes and anything at all.

use super::*;
use proptest::prelude::*;

/// One line for each thing that comes out.
fn show(result: &Result<Incoming, FrameError>) -> String {
    match result {
        Ok(Incoming::Request(request)) => {
            let method: &str = (&request.method).into();
            let body = match request.body.is_empty() {
                true => String::new(),
                false => format!(" {}", String::from_utf8_lossy(&request.body)),
            };
            format!("{method} {} {}{body}", request.uri, request.cseq)
        }
        Ok(Incoming::Response { status, cseq }) => format!("response {} {cseq:?}", u16::from(*status)),
        Ok(Incoming::Interleaved { channel, payload }) => format!("frame {channel} {}", payload.len()),
        Err(error) => {
            let status = error.status.map_or("silent".to_owned(), |status| u16::from(status).to_string());
            let cseq = error.cseq.as_deref().unwrap_or("-");
            format!("{status} {cseq}{}", if error.fatal { " close" } else { "" })
        }
    }
}

fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut framer = Framer::new();
    let mut out = Vec::new();
    for piece in pieces {
        framer.handle(piece);
        while let Some(next) = framer.poll() {
            out.push(show(&next));
        }
    }
    out
}

fn check(input: impl AsRef<[u8]>, expected: &[&str]) {
    let input = input.as_ref();
    let whole = run(std::iter::once(input));
    assert_eq!(whole, expected, "at once: {:?}", String::from_utf8_lossy(&input[..input.len().min(200)]));
    let bytes = run(input.chunks(1));
    assert_eq!(bytes, expected, "byte by byte: {:?}", String::from_utf8_lossy(&input[..input.len().min(200)]));
}

#[test]
fn requests_of_every_shape_come_out_whole() {
    let ok: &[&str] = &["OPTIONS rtsp://h/r 1"];
    check("OPTIONS rtsp://h/r RTSP/1.0\r\nCSeq: 1\r\n\r\n", ok);
    check("OPTIONS rtsp://h/r RTSP/1.0\nCSeq: 1\n\n", ok);
    check("OPTIONS rtsp://h/r RTSP/1.0\rCSeq: 1\r\r", ok);
    check("\r\n\n\rOPTIONS rtsp://h/r RTSP/1.0\r\ncseq:1\r\n\r\n", ok);
    check("OPTIONS rtsp://h/r RTSP/1.0\r\nX-Foo: a\r\n\tb\r\nCSEQ : \r\n  1\r\n\r\n", ok);
    check(format!("OPTIONS rtsp://h/r RTSP/1.0\r\nX-Foo: {}\r\nCSeq: 1\r\n\r\n", "x".repeat(4096)), ok);
    check("OPTIONS * RTSP/1.0\r\nCSeq: 007\r\n\r\n", &["OPTIONS * 007"]);
    check("options rtsp://h/r RTSP/1.0\r\nCSeq: 4294967295\r\n\r\n", &["options rtsp://h/r 4294967295"]);
    check("PLAY rtsp://h/%2e%2e/a RTSP/1.0\r\nCSeq: 2\r\n\r\n", &["PLAY rtsp://h/%2e%2e/a 2"]);
}

#[test]
fn bodies_frames_and_pipelined_requests_stay_apart() {
    let options = "OPTIONS rtsp://h/r RTSP/1.0\r\nCSeq: 2\r\n\r\n";
    let body = "SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\na: b\n";
    check(
        format!("{body}{options}{options}"),
        &["SET_PARAMETER * 1 a: b\n", "OPTIONS rtsp://h/r 2", "OPTIONS rtsp://h/r 2"],
    );
    check(format!("$\x01\x00\x03abc{options}$\x02\x00\x00"), &["frame 1 3", "OPTIONS rtsp://h/r 2", "frame 2 0"]);
    let mut long = b"$\x00\xff\xff".to_vec();
    long.resize(4 + 65535, b'$');
    long.extend_from_slice(options.as_bytes());
    check(long, &["frame 0 65535", "OPTIONS rtsp://h/r 2"]);
    check("RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n", &["response 200 Some(\"4\")"]);
    check("RTSP/1.0 501 Not Implemented\r\n\r\n", &["response 501 None"]);
    // The LF of a split line end is no part of the body.
    check("GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 1\r\n\r\nx", &["GET_PARAMETER * 1 x"]);
}

#[test]
fn what_is_bad_is_answered_and_what_follows_is_read() {
    let after = "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n";
    let cases: &[(&str, &str)] = &[
        ("OPTIONS rtsp://h/r RTSP/1.1\r\nCSeq: 1\r\n\r\n", "505 1"),
        ("OPTIONS rtsp://h/r RTSP/2.1\r\nCSeq: 1\r\n\r\n", "505 1"),
        ("OPTIONS rtsp://h/r RTSP/30.1\r\nContent-Length: 3\r\nCSeq: 1\r\n\r\nabc", "505 1"),
        ("OPTIONS rtsp://h/r RTSP/x\r\nCSeq: 1\r\n\r\n", "400 1"),
        ("OPTIONS rtsp://h/r\r\nCSeq: 1\r\n\r\n", "400 1"),
        ("OPTIONS  rtsp://h/r RTSP/1.0\r\nCSeq: 1\r\n\r\n", "400 1"),
        (" OPTIONS rtsp://h/r RTSP/1.0\r\nCSeq: 1\r\n\r\n", "400 1"),
        ("\tOPTIONS rtsp://h/r RTSP/1.0\r\nCSeq: 1\r\n\r\n", "400 1"),
        ("OPTIONS rtsp://h/\0 RTSP/1.0\r\nCSeq: 1\r\n\r\n", "400 1"),
        ("OP{IONS rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", "400 1"),
        ("OPTIONS * RTSP/1.0\r\n\r\n", "400 -"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n", "400 -"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 1\0\r\n\r\n", "400 -"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n", "400 -"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nCSeq: 2\r\n\r\n", "400 -"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nno colon\r\n\r\n", "400 1"),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n: nameless\r\n\r\n", "400 1"),
        ("OPTIONS * RTSP/1.0\r\n folded\r\nCSeq: 1\r\n\r\n", "400 1"),
        // A body that nobody announced.
        ("position\r\nspeed\r\n", "400 -"),
    ];
    for (input, expected) in cases {
        check(format!("{input}{after}"), &[expected, "OPTIONS * 9"]);
    }
    let long = format!("OPTIONS rtsp://h/{} RTSP/1.0\r\nCSeq: 1\r\n\r\n{after}", "x".repeat(MAX_REQUEST_LINE));
    check(long, &["414 1", "OPTIONS * 9"]);
    let many = format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n{}\r\n{after}", "a: b\r\n".repeat(10_000 / 6));
    check(many, &["400 1", "OPTIONS * 9"]);
    let cseq = format!("OPTIONS * RTSP/1.0\r\nCSeq: {}\r\n\r\n{after}", "1".repeat(10_240));
    check(cseq, &["400 -", "OPTIONS * 9"]);
}

#[test]
fn what_cannot_be_followed_ends_the_connection() {
    let length = |value: &str| format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: {value}\r\n\r\nmore");
    check(length("-1"), &["400 1 close"]);
    check(length("1x"), &["400 1 close"]);
    check(length("1, 2"), &["400 1 close"]);
    check(length("3\r\nContent-Length: 4"), &["400 1 close"]);
    check(length("99999999999999999999"), &["413 1 close"]);
    check(length(&(MAX_BODY + 1).to_string()), &["413 1 close"]);
    check("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &["silent - close"]);
    check(b"\x16\x03\x01\x02\x00\x01\x00", &["silent - close"]);
    check("x".repeat(1 << 20), &["414 - close"]);
    check(format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: {}", "x".repeat(1 << 20)), &["400 - close"]);
    check("a: b\r\n".repeat(20_000), &["400 - close"]);
}

#[test]
fn memory_is_bounded_whatever_the_pieces() {
    let mut framer = Framer::new();
    for _ in 0..10_000 {
        framer.handle(&[b'x'; 1000]);
        while framer.poll().is_some() {}
        assert!(framer.buffer.capacity() <= 2 * (MAX_HEAD + 1000));
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_come_out_the_same(
        bytes in prop::collection::vec(any_piece(), 0..40),
        sizes in prop::collection::vec(1usize..50, 1..10),
    ) {
        let bytes = bytes.concat();
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(run(std::iter::once(bytes.as_slice())), run(pieces.into_iter()));
    }
}

/// Pieces of messages and rubbish, so that the interesting places are reached.
fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    let texts: Vec<&'static str> = vec![
        "\r\n",
        "\r",
        "\n",
        "\r\n\r\n",
        "$",
        "$\0\0\x04",
        "OPTIONS",
        " ",
        "*",
        "rtsp://h/r",
        " RTSP/1.0\r\n",
        "CSeq: 1\r\n",
        "Content-Length: 4\r\n",
        "Content-Length: 9\r\n",
        "RTSP/1.0 200 OK\r\n",
        "a: b",
        ":",
        "\t",
        "\0",
        " RTSP/2.0\r\n",
        "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        "GET / HTTP/1.0\r\n",
        "PLAY * RTSP/1.0\nCSeq: 2\nContent-Length: 2\n\nab",
    ];
    prop_oneof![
        4 => prop::sample::select(texts).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}
