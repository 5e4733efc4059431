//! Parts of units.

use super::*;

#[test]
fn part_of_a_unit_is_read_by_its_blocks() {
    let disk = Disk::new();
    for (row, length) in [(0, 8192), (1, 5000), (2, 4096)] {
        disk.put(row, length).unwrap();
        let all = data(row, length);
        for (start, end, blocks) in [
            (0, 1, 1),
            (511, 512, 1),
            (511, 513, 2),
            (512, 1000, 1),
            (4000, 4096, 1),
            (0, 8192, 16),
            (9, 9, 0),
            (9000, 9001, 0),
        ] {
            let (part, read) = disk.store.get_part(OBJECT, at(row), start..end).unwrap();
            let expected = all.slice((start as usize).min(length)..(end as usize).min(length));
            assert_eq!(part, expected, "{start}..{end} of {length}");
            assert!(read <= blocks * (512 + 4), "{start}..{end} of {length}: {read} read");
        }
    }
    // A flipped bit is seen by whoever reads its block, and by nobody else.
    let file = fs::OpenOptions::new().write(true).open(disk.units()).unwrap();
    let byte = data(0, 8192)[100] ^ 1;
    file.write_all_at(&[byte], FILE_HEADER_BYTES + SLOT_HEADER_BYTES as u64 + 100).unwrap();
    assert_eq!(refusal(disk.store.get_part(OBJECT, at(0), 0..1)), Refusal::Damaged);
    assert_eq!(disk.store.get_part(OBJECT, at(0), 5000..6000).unwrap().0, data(0, 8192).slice(5000..6000));
    assert_eq!(refusal(disk.store.get_unit(OBJECT, at(0))), Refusal::Damaged);
    // What another unit of the row left there is not believed, whole as it is.
    let other = UnitAddress { position: 3, ..at(2) };
    let header = SlotHeader { object: OBJECT, address: other, length: 4096, crc: 0, sums: true };
    file.write_all_at(&header.encode(), FILE_HEADER_BYTES + 2 * record::slot_stride(UNIT)).unwrap();
    assert_eq!(refusal(disk.store.get_part(OBJECT, other, 0..1)), Refusal::Damaged);
    // Without their sums blocks are not believed, while the whole is.
    let slot = FILE_HEADER_BYTES + record::slot_stride(UNIT);
    file.write_all_at(&[1, 2, 3], slot + SLOT_HEADER_BYTES as u64 + 5000).unwrap();
    assert_eq!(refusal(disk.store.get_part(OBJECT, at(1), 0..1)), Refusal::Damaged);
    assert_eq!(disk.store.get_unit(OBJECT, at(1)).unwrap().data, data(1, 5000));
}
