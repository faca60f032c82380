//! Tiles (C2SP tlog-tiles v0.1.0): a tree and its entries as files that never change, from which
//! every proof can be made.
//!
//! A tile of level 0 holds the hashes of up to 256 leaves, one of level L those of up to 256
//! full tiles of the level below. An entry bundle holds the entries behind a tile of level 0.
//! What stands at the right edge is partial, and has its width in its name.

mod edge;
mod file;

use std::{fmt, ops::Range};

use super::checkpoint::decimal;

pub use edge::Edge;
pub use file::{TooLong, decode_entries, decode_hashes, encode_entries, encode_hashes};

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u16 = 256;

/// Size of the largest entry, in bytes: its length is written with two.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Bits of an index within a tile.
const BITS: u32 = 8;

/// The highest level that a tree of `u64` leaves has.
const MAX_LEVEL: u8 = 7;

/// A tile of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    level: u8,
    place: Place,
}

/// A bundle of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bundle {
    place: Place,
}

/// What can be asked for below a tree's address, beside its checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// `tile/<L>/<N>[.p/<W>]`
    Hashes(Tile),
    /// `tile/entries/<N>[.p/<W>]`
    Entries(Bundle),
}

/// Which one of its level, and how many it holds: 1 to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile of a level with an index; `None` if no tree has it.
    #[must_use]
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        let place = Place::new(index, width)?;
        // Its last leaf must have a number.
        let bits = BITS * (u32::from(level) + 1);
        let is_in_a_tree = level < MAX_LEVEL && index <= u64::MAX >> bits
            || level == MAX_LEVEL && index == 0 && width < WIDTH;
        is_in_a_tree.then_some(Self { level, place })
    }

    /// The tile of a tree of `size` leaves that holds the hashes below the perfect subtree with
    /// this height and index, and where in it they are.
    pub(super) fn over(height: u32, index: u64, size: u64) -> Option<(Self, Range<usize>)> {
        let level = height / BITS;
        let within = height % BITS;
        let first = index << within;
        let row = size >> (level * BITS);
        let tile = first >> BITS;
        let left = row.checked_sub(tile << BITS)?;
        let width = u16::try_from(left.min(u64::from(WIDTH))).ok()?;
        let start = usize::try_from(first % u64::from(WIDTH)).ok()?;
        let tile = Self::new(u8::try_from(level).ok()?, tile, width)?;
        Some((tile, start..start + (1 << within)))
    }

    /// All tiles of a tree of `size` leaves, level by level.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        (0..=MAX_LEVEL).flat_map(move |level| {
            row(size >> (BITS * u32::from(level)))
                .filter_map(move |place| Self::new(level, place.index, place.width))
        })
    }

    /// The tiles of a tree of `to` leaves that one of `from` leaves does not have: those that
    /// became full in between, and the partial ones.
    pub fn added(from: u64, to: u64) -> impl Iterator<Item = Self> {
        (0..=MAX_LEVEL).flat_map(move |level| {
            let bits = BITS * u32::from(level);
            added(from >> bits, to >> bits)
                .filter_map(move |place| Self::new(level, place.index, place.width))
        })
    }

    /// 0 for hashes of leaves.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Which one of its level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.place.index
    }

    /// How many hashes it holds.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.place.width
    }

    /// Whether it holds as many as it can.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.place.width == WIDTH
    }

    /// `tile/<L>/<N>[.p/<W>]`
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, self.place)
    }
}

impl Bundle {
    /// The bundle with an index; `None` if no tree has it.
    #[must_use]
    pub fn new(index: u64, width: u16) -> Option<Self> {
        Tile::new(0, index, width).map(|tile| Self { place: tile.place })
    }

    /// All bundles of a tree of `size` leaves.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        row(size).map(|place| Self { place })
    }

    /// The bundles of a tree of `to` leaves that one of `from` leaves does not have.
    pub fn added(from: u64, to: u64) -> impl Iterator<Item = Self> {
        added(from, to).map(|place| Self { place })
    }

    /// Which one.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.place.index
    }

    /// How many entries it holds.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.place.width
    }

    /// Whether it holds as many as it can.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.place.width == WIDTH
    }

    /// The indexes of its leaves.
    #[must_use]
    pub fn leaves(&self) -> Range<u64> {
        let start = self.place.index << BITS;
        start..start + u64::from(self.place.width)
    }

    /// The tile with the hashes of its entries.
    #[must_use]
    pub const fn tile(&self) -> Tile {
        Tile { level: 0, place: self.place }
    }

    /// `tile/entries/<N>[.p/<W>]`
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/entries/{}", self.place)
    }
}

impl Resource {
    /// Reads a path. Each has one spelling.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let place = Place::parse(place)?;
        if level == "entries" {
            return Bundle::new(place.index, place.width).map(Self::Entries);
        }
        let level = decimal(level)?;
        Tile::new(level, place.index, place.width).map(Self::Hashes)
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Hashes(tile) => tile.path(),
            Self::Entries(bundle) => bundle.path(),
        }
    }
}

impl Place {
    const fn new(index: u64, width: u16) -> Option<Self> {
        if width == 0 || width > WIDTH { None } else { Some(Self { index, width }) }
    }

    fn parse(text: &str) -> Option<Self> {
        let (index, width) = match text.split_once(".p/") {
            None => (text, WIDTH),
            Some((index, width)) => {
                let width = decimal(width).filter(|width| *width < WIDTH)?;
                (index, width)
            }
        };
        let digits: String =
            index.split('/').map(|part| part.strip_prefix('x').unwrap_or(part)).collect();
        let digits = digits.trim_start_matches('0');
        let number = if digits.is_empty() { 0 } else { decimal(digits)? };
        let place = Self::new(number, width)?;
        // Whatever else was tolerated above is another spelling.
        (place.to_string() == text).then_some(place)
    }
}

/// `<N>[.p/<W>]`
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.index;
        let mut parts = vec![format!("{:03}", rest % 1000)];
        while rest >= 1000 {
            rest /= 1000;
            parts.push(format!("x{:03}", rest % 1000));
        }
        parts.reverse();
        formatter.write_str(&parts.join("/"))?;
        if self.width < WIDTH { write!(formatter, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Where the hashes of a level with `count` of them stand.
fn row(count: u64) -> impl Iterator<Item = Place> {
    added(0, count)
}

/// Where those stand that are not in a level of `from` hashes already.
fn added(from: u64, to: u64) -> impl Iterator<Item = Place> {
    let end = if to > from { to.div_ceil(u64::from(WIDTH)) } else { 0 };
    (from >> BITS..end).filter_map(move |index| {
        let left = to - (index << BITS);
        Place::new(index, u16::try_from(left.min(u64::from(WIDTH))).ok()?)
    })
}

#[cfg(test)]
mod tests;
