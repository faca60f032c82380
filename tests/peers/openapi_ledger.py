"""What can be read from a receipt and a checkpoint without a key: C2SP's tlog-proof, the checkpoint
in it, and the root over a tree's entries (RFC 9162, section 2.1.1). Who signed them is not asked
here."""

import base64
import hashlib
import typing

HEADER = "c2sp.org/tlog-proof@v1"


class Checkpoint(typing.NamedTuple):
    """Which tree it is of, how large that was, and its root then."""

    origin: str
    size: int
    root: bytes


def checkpoint(note):
    """What a signed note says of a tree. Below its text stand an empty line and signatures."""
    text, signatures = note.split("\n\n")
    origin, size, root, *_ = text.split("\n")
    assert signatures.startswith(f"\u2014 {origin} "), signatures
    return Checkpoint(origin, int(size), base64.b64decode(root, validate=True))


def receipt(text):
    """The index of the entry that a receipt is of, and the checkpoint that it leads to."""
    head, note = text.split("\n\n", 1)
    header, index, *_ = head.split("\n")
    assert header == HEADER, header
    assert index.startswith("index "), index
    return int(index.removeprefix("index ")), checkpoint(note)


def root(entries):
    """The root of the tree over these entries."""
    if len(entries) < 2:
        return hashlib.sha256(b"".join(b"\0" + entry for entry in entries)).digest()
    # The left side is the largest full tree that leaves something for the right one.
    left = 1 << (len(entries) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(entries[:left]) + root(entries[left:])).digest()
