use super::*;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

async fn pair(limit: usize) -> (Arc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    SockRef::from(&near).set_send_buffer_size(16 << 10).unwrap();
    SockRef::from(&far).set_recv_buffer_size(16 << 10).unwrap();
    (Arc::new(Outbox::new(Arc::new(Wire::Tcp(near)), limit)), far)
}

fn frame(channel: u8, size: usize) -> Vec<u8> {
    let mut frame = vec![b'$', channel];
    frame.extend_from_slice(&(size as u16).to_be_bytes());
    frame.resize(4 + size, channel);
    frame
}

/// Takes a stream of `$` frames and `RTSP/1.0 200 OK\r\n\r\n` responses apart: (frames, responses).
fn take_apart(mut bytes: &[u8]) -> (usize, usize) {
    let (mut frames, mut responses) = (0, 0);
    while !bytes.is_empty() {
        if bytes[0] == b'$' {
            let size = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            assert!(bytes[4..4 + size].iter().all(|byte| *byte == bytes[1]), "a frame was split");
            bytes = &bytes[4 + size..];
            frames += 1;
        } else {
            assert!(bytes.starts_with(RESPONSE), "a response was split");
            bytes = &bytes[RESPONSE.len()..];
            responses += 1;
        }
    }
    (frames, responses)
}

const RESPONSE: &[u8] = b"RTSP/1.0 200 OK\r\n\r\n";

#[tokio::test]
async fn a_slow_reader_gets_whole_frames_and_whole_responses_in_order() {
    let (outbox, mut far) = pair(32 << 10).await;
    let driver = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.drive().await }
    });
    let now = Instant::now();
    let (mut accepted, mut full, mut answers) = (0, 0, 0);
    let mut received = Vec::new();
    let mut chunk = vec![0; 3000];
    for round in 0..400_u32 {
        match outbox.try_train(&frame(round as u8, 1400), now) {
            Offer::Accepted => accepted += 1,
            Offer::Full => full += 1,
            Offer::Closed => panic!("closed"),
        }
        if round % 7 == 0 {
            outbox.respond(RESPONSE).unwrap();
            answers += 1;
        }
        assert!(outbox.waiting() <= (64 << 10) + answers * RESPONSE.len());
        if round % 3 == 0 {
            let count = far.read(&mut chunk).await.unwrap();
            received.extend_from_slice(&chunk[..count]);
        }
    }
    outbox.drained(Duration::from_millis(10)).await;
    assert!(full > 0 && accepted > 0, "accepted {accepted}, refused {full}");
    while received.len() < accepted * 1404 + answers * RESPONSE.len() {
        let count = far.read(&mut chunk).await.unwrap();
        assert_ne!(count, 0);
        received.extend_from_slice(&chunk[..count]);
    }
    assert_eq!(take_apart(&received), (accepted, answers));
    assert_eq!(outbox.accepted(), received.len() as u64);
    outbox.close();
    assert!(driver.await.unwrap().is_err());
    assert_eq!(outbox.try_train(&frame(0, 1), now), Offer::Closed);
}

#[tokio::test]
async fn a_reader_that_stops_is_known_to_be_stuck() {
    let (outbox, mut far) = pair(32 << 10).await;
    let start = Instant::now();
    assert_eq!(outbox.stuck(start), Duration::ZERO);
    while outbox.try_train(&frame(1, 1000), start) == Offer::Accepted {}
    assert!(outbox.is_congested() && outbox.room().waiting > outbox.room().limit);
    let later = start + Duration::from_secs(40);
    assert!(outbox.stuck(later) > Duration::from_secs(35));
    let driver = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.drive().await }
    });
    let mut sink = vec![0; 8 << 10];
    while outbox.waiting() > 0 {
        far.read_exact(&mut sink[..1004]).await.unwrap();
    }
    assert_eq!(outbox.stuck(later), Duration::ZERO);
    drop(far);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), async {
            while outbox.try_train(&frame(1, 1000), start) != Offer::Closed {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .is_ok()
    );
    driver.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_unit_larger_than_the_bound_is_taken_when_nothing_waits() {
    let (outbox, _far) = pair(8 << 10).await;
    let now = Instant::now();
    assert_eq!(outbox.try_train(&frame(1, 60_000), now), Offer::Accepted);
    assert!(outbox.waiting() > 0);
    assert_eq!(outbox.try_train(&frame(1, 60_000), now), Offer::Full);
}

#[tokio::test]
async fn runs_given_together_stay_in_order_however_many_the_kernel_takes() {
    let (outbox, mut far) = pair(512 << 10).await;
    let frames: Vec<Vec<u8>> = (1..=60).map(|number| frame(number, usize::from(number) * 97)).collect();
    let mut expected = Vec::new();
    for together in frames.chunks(7) {
        let runs: Vec<IoSlice<'_>> = together.iter().map(|frame| IoSlice::new(frame)).collect();
        assert_eq!(outbox.try_trains(&runs, Instant::now()), Offer::Accepted);
        expected.extend(together.concat());
    }
    assert!(outbox.waiting() > 0, "the kernel took all of it");
    let mut received = vec![0; expected.len()];
    let (read, ()) = tokio::join!(far.read_exact(&mut received), outbox.drained(Duration::from_secs(20)));
    read.unwrap();
    assert!(received == expected);
}
