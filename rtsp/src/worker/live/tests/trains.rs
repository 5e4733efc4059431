//! How a large picture leaves.

use super::*;

/// The packets that have come once nothing more does for 200 ms.
async fn settled(receiver: &Receiver) -> usize {
    let mut count = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        match Receiver::drain(&receiver.rtp).len() {
            0 => return count,
            more => count += more,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_picture_leaves_in_trains_apart_by_the_gap_of_channels() {
    let hour = Duration::from_secs(3_600);
    for (live_gap, at_first) in [(Duration::ZERO, 51), (Duration::from_micros(500), 51), (hour, 16)] {
        let mut stage = Stage::with(WorkerOptions { live_gap, ..WorkerOptions::default() });
        stage.picture();
        let receiver = Receiver::new();
        stage.play(1, vec![(0, receiver.destination())]).await.unwrap();
        stage.workers.go(WORKER, ViewerId(1));
        assert_eq!(settled(&receiver).await, 51, "{live_gap:?}: what is kept");
        // So much later that the gap is not bounded by the pictures' interval.
        stage.fed = 1_000_000;
        stage.picture();
        assert_eq!(settled(&receiver).await, at_first, "{live_gap:?}");
        stage.picture();
        assert_eq!(settled(&receiver).await, 51 + 3 - at_first, "{live_gap:?}: what is left leaves before the next");
        stage.workers.stop();
    }
}
