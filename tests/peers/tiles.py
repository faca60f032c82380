"""Paths and forms of the files of a tree, by C2SP's tlog-tiles."""

FULL = 256


def number(index):
    """The index of a tile in its path."""
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03}")
    return "/".join(parts)


def places(count):
    """The end of the path of each tile of a level with so many hashes."""
    for index in range((count + FULL - 1) // FULL):
        left = min(FULL, count - FULL * index)
        yield number(index) + (f".p/{left}" if left < FULL else "")


def bundles(size):
    """The paths of a tree's entry bundles, and of the hashes of the same leaves."""
    for place in places(size):
        yield f"tile/entries/{place}", f"tile/0/{place}"


def tiles(size):
    """The paths of a tree's tiles."""
    level = 0
    while size > 0:
        yield from (f"tile/{level}/{place}" for place in places(size))
        level, size = level + 1, size // FULL


def entries(data):
    """The entries of a bundle."""
    found = []
    while data:
        length = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


def bundle(found):
    """Entries as a bundle."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in found)
