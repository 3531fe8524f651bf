//! What the two ends of a link keep to, whatever it runs over.

use std::thread;

use veilbench_api::link::{Count, Link};

/// Messages of every size arrive whole and in order, and both ends count the payload alone.
pub(crate) fn messages_of_every_size(mut left: Link, mut right: Link) {
    let sizes =
        [0, 1, 23, 24, 25, 16_384, 65_511, 65_512, 65_536, 65_561, 200_000, 262_144, 300_000, 3_000_000];
    let sender = thread::spawn(move || {
        for size in sizes {
            let payload: Vec<u8> = (0..size).map(|i| (i * 31 + size) as u8).collect();
            let (front, back) = payload.split_at(size / 3);
            left.send_parts(&[front, back]).unwrap();
        }
        left.traffic().sent()
    });
    for size in sizes {
        let payload = right.receive().unwrap();
        assert_eq!(payload.len(), size);
        assert!(payload.iter().enumerate().all(|(i, &byte)| byte == (i * 31 + size) as u8));
    }
    let due = Count { bytes: sizes.iter().sum::<usize>() as u64, messages: sizes.len() as u64 };
    assert_eq!(sender.join().unwrap(), due);
    assert_eq!(right.traffic().received(), due, "both ends count the same");
}

/// Neither end waits for the other to receive.
pub(crate) fn large_messages_at_once(mut left: Link, mut right: Link) {
    let payload = vec![7; 64 << 20];
    let expected = payload.clone();
    let other = thread::spawn(move || {
        right.send(&payload).unwrap();
        right.send(&payload[..10]).unwrap();
        (right.receive().unwrap(), right.receive().unwrap())
    });
    left.send(&expected).unwrap();
    left.send(&expected[..20]).unwrap();
    assert!(left.receive().unwrap() == expected);
    assert_eq!(left.receive().unwrap().len(), 10);
    let (large, small) = other.join().unwrap();
    assert!(large == expected);
    assert_eq!(small.len(), 20);
}
