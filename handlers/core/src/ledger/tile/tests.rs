use std::collections::BTreeSet;

use super::*;
use crate::{
    digest::Digest,
    ledger::{
        Frontier,
        proof::tests::{leaf, tree},
    },
};

#[test]
fn paths_are_those_of_the_format() {
    let path = |level, index, width| Tile::new(level, index, width).unwrap().path();

    assert_eq!(path(0, 0, 256), "tile/0/000");
    assert_eq!(path(0, 999, 256), "tile/0/999");
    assert_eq!(path(1, 1000, 256), "tile/1/x001/000");
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(2, 0, 1), "tile/2/000.p/1");
    assert_eq!(Bundle::new(1_234_067, 255).unwrap().path(), "tile/entries/x001/x234/067.p/255");
}

#[test]
fn a_path_has_one_spelling() {
    for path in [
        "tile/0/000",
        "tile/0/x001/x234/067",
        "tile/7/000.p/255",
        "tile/entries/x001/000.p/7",
        "tile/0/x072/x057/x594/x037/x927/935",
    ] {
        assert_eq!(Resource::parse(path).unwrap().path(), path);
    }
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/001",
        "tile/0/x001/x001",
        "tile/0/x1/001",
        "tile/00/000",
        "tile/8/000",
        "tile/7/000",
        "tile/7/001.p/1",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1.p/1",
        "tile/0/000/",
        "/tile/0/000",
        "tile/entries/..",
        "tile/entries/00a",
        "tile/Entries/000",
        // One more than there are tiles of leaves with a number.
        "tile/0/x072/x057/x594/x037/x927/936",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(Resource::parse(path), None, "{path}");
    }
}

#[test]
fn a_tree_has_the_tiles_that_the_format_says() {
    // The format's own example.
    let tiles: Vec<Tile> = Tile::of_tree(70_000).collect();
    let of = |level| tiles.iter().filter(move |tile| tile.level() == level);

    assert_eq!(of(0).filter(|tile| tile.is_full()).count(), 273);
    assert_eq!(of(0).next_back().map(Tile::width), Some(112));
    assert_eq!(of(1).map(Tile::width).collect::<Vec<_>>(), [256, 17]);
    assert_eq!(of(2).map(Tile::width).collect::<Vec<_>>(), [1]);
    assert_eq!(tiles.len(), 274 + 2 + 1);
    let widths = |size| Tile::of_tree(size).map(|tile| tile.width()).collect::<Vec<_>>();
    assert_eq!(widths(0), Vec::<u16>::new());
    assert_eq!(widths(256), [256, 1]);
}

#[test]
fn an_edge_gives_each_tile_of_a_tree_once() {
    let mut edge = Edge::empty();
    let mut frontier = Frontier::empty();
    let mut full = BTreeSet::new();

    for size in 0..=66_000_u64 {
        assert_eq!(edge.size(), size);
        if size % 97 == 0 || size % 256 < 2 {
            assert_eq!(edge.frontier(), frontier, "{size}");
            let partial = edge.partial().map(|(tile, row)| {
                assert_eq!(row.len(), usize::from(tile.width()));
                tile
            });
            let all: BTreeSet<Tile> = full.iter().copied().chain(partial).collect();
            assert_eq!(all, Tile::of_tree(size).collect(), "{size}");
        }
        for (tile, row) in edge.push(leaf(size)) {
            assert_eq!(row.len(), 256);
            assert!(full.insert(tile));
        }
        frontier.push(leaf(size));
    }
}

#[test]
fn what_is_added_is_what_was_not_there() {
    for from in (0..1500).step_by(37) {
        for to in (from..1500).step_by(41) {
            let before: BTreeSet<Tile> = Tile::of_tree(from).collect();
            let added = Tile::of_tree(to).filter(|tile| !before.contains(tile));
            assert_eq!(Tile::added(from, to).collect::<Vec<_>>(), added.collect::<Vec<_>>());
        }
    }
    assert_eq!(Tile::added(300, 300).count(), 0);
    let bundles: Vec<_> = Bundle::added(300, 600).map(|bundle| bundle.leaves()).collect();
    assert_eq!(bundles, [256..512, 512..600]);
}

#[tokio::test]
async fn an_edge_is_read_from_its_partial_tiles() {
    for size in [0, 1, 255, 256, 257, 1000, 65_536, 66_000] {
        let (tiles, root) = tree(size);

        let mut edge = Edge::read(size, &tiles).await.unwrap();

        assert_eq!(edge.root(), root, "{size}");
        edge.push(leaf(size));
        assert_eq!(edge.root(), tree(size + 1).1, "{size}");
    }
}

#[test]
fn files_are_read_as_they_were_written() {
    let hashes = [leaf(1), leaf(2), leaf(3)];
    let file = encode_hashes(&hashes);
    assert_eq!(file.len(), 96);
    assert_eq!(decode_hashes(&file, 3), Some(hashes.to_vec()));
    assert_eq!(decode_hashes(&file, 2), None);
    assert_eq!(decode_hashes(&file[1..], 3), None);
    assert_eq!(decode_hashes(&file[..95], 3), None);

    let longest = vec![7; MAX_ENTRY_BYTES];
    let entries: [&[u8]; 3] = [b"one", b"", &longest];
    let file = encode_entries(&entries).unwrap();
    assert_eq!(file[..5], *b"\0\x03one");
    assert_eq!(decode_entries(&file, 3), Some(entries.to_vec()));
    for (file, width) in [(&file[..], 2), (&file, 4), (&file[..file.len() - 1], 3), (&[0], 1)] {
        assert_eq!(decode_entries(file, width), None);
    }
    assert_eq!(encode_entries(&[vec![0; MAX_ENTRY_BYTES + 1]]), Err(TooLong));
    assert_eq!(decode_hashes(&[], 0), Some(Vec::<Digest>::new()));
}
