"""Ledgers as files, audited by what did not learn the formats from us: the packages behind Go's
own checksum database, and Sigstore's for receipts. What was tampered with in any way, each refuses;
so does `airlockctl verify`.

    ledger.py LEDGERS AUDIT AIRLOCKCTL

LEDGERS is a folder as export.rs writes it, AUDIT is audit.go as a program."""

import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

from cloud import Checks
from node import judged_by
from tiles import bundle, bundles, entries

ledgers, audit, airlockctl = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
checks = Checks()
vkey = (ledgers / "vkey").read_text()
origin = vkey.split("+")[0]
sizes = sorted(int(one.name) for one in ledgers.iterdir() if one.name.isdigit())
keyset = ("--keyset", ledgers / "keyset.jws", "--root", ledgers / "root.jwk", "--origin", origin)
remembered = tempfile.TemporaryDirectory()


def said(*command):
    """Whether a program ended well, and what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), f"{command[0]} ended with {done.returncode}: {done.stderr}"
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def by_go(folder, *older):
    """The verdict of x/mod/sumdb."""
    return said(audit, vkey, folder, *older)


def by_airlockctl(folder, *older, by=("--key", vkey)):
    """The verdict of our own command."""
    since = [word for one in older for word in ("--since", one)]
    return said(airlockctl, "verify", "tiles", folder, *since, *by)


def flipped(data, at):
    """The same with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def swapped(found, one, other):
    """The same with two of them in each other's place."""
    found = list(found)
    found[one], found[other] = found[other], found[one]
    return found


@contextlib.contextmanager
def with_changed(folder, changes):
    """The folder with some files changed, or gone; as it was before, afterwards."""
    before = {}
    try:
        for name, data in changes.items():
            file = folder / name
            before[name] = file.read_bytes() if file.exists() else None
            if data is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
        yield
    finally:
        for name, data in before.items():
            if data is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(data)


def tamperings(folder, size):
    """Each way in which a ledger is tampered with: a name, and the files that change."""
    paths = list(bundles(size))
    read = {name: (folder / name).read_bytes() for both in paths for name in both}
    first, last = paths[0], paths[-1]
    for where, (held, _) in {"first": first, "middle": paths[len(paths) // 2], "last": last}.items():
        found = entries(read[held])
        middle = len(found) // 2
        changed = found[:middle] + [flipped(found[middle], 100)] + found[middle + 1 :]
        yield f"a bit of an entry in the {where} bundle", {held: bundle(changed)}
        yield f"the {where} bundle deleted", {held: None}
        yield f"the {where} bundle cut off", {held: read[held][:-1]}
        yield f"an entry taken out of the {where} bundle", {held: bundle(found[1:])}
        yield f"an entry twice in the {where} bundle", {held: bundle(found[:1] + found)}
        if len(found) > 1:
            yield f"two entries of the {where} bundle swapped", {held: bundle(swapped(found, 0, -1))}
    for where, (_, tile) in {"first": first, "last": last}.items():
        yield f"a bit of the {where} tile", {tile: flipped(read[tile], 17)}
        yield f"the {where} tile deleted", {tile: None}
        yield f"the {where} tile cut off", {tile: read[tile][:-32]}
    # An attacker who puts entry and tile in order again still has the wrong root.
    held, tile = first
    found = swapped(entries(read[held]), 0, 1)
    hashes = [read[tile][at : at + 32] for at in range(0, len(read[tile]), 32)]
    both = {held: bundle(found), tile: b"".join(swapped(hashes, 0, 1))}
    yield "two entries swapped, and their hashes as well", both
    if len(paths) > 2:
        (one, _), (other, _) = paths[0], paths[1]
        yield "two bundles swapped", {one: read[other], other: read[one]}
    above = folder / "tile" / "1"
    for file in sorted(above.rglob("*")):
        if file.is_file():
            name = file.relative_to(folder).as_posix()
            yield f"a bit of {name}", {name: flipped(file.read_bytes(), 5)}
    if size > 256:
        shorter = (folder / last[0]).read_bytes()
        yield "the last bundle moved to the place of the first", {first[0]: shorter}
    checkpoint = (folder / "checkpoint").read_text()
    lines = checkpoint.split("\n")
    for what, line, text in (
        ("origin", 0, origin[:-1] + "1"),
        ("size", 1, str(size - 1)),
        ("root", 2, "A" + lines[2][1:] if lines[2][0] != "A" else "B" + lines[2][1:]),
        ("number", 3, "anchor 9"),
        ("time", 4, "time 1"),
        ("binding", 5, "binding 0"),
        ("keyset", 6, "keyset 0"),
    ):
        assert lines[line] != text, what
        changed = "\n".join(lines[:line] + [text] + lines[line + 1 :])
        yield f"another {what} in the checkpoint", {"checkpoint": changed.encode()}
    signature = lines[-2]
    other = signature[:-20] + ("A" if signature[-20] != "A" else "B") + signature[-19:]
    changed = checkpoint.replace(signature, other)
    yield "another signature under the checkpoint", {"checkpoint": changed.encode()}
    unsigned = checkpoint.replace(signature + "\n", "")
    yield "no signature under the checkpoint", {"checkpoint": unsigned.encode()}
    for other in sizes:
        if other != size:
            text = (ledgers / str(other) / "checkpoint").read_bytes()
            yield f"the checkpoint of {other} entries over {size}", {"checkpoint": text}
    yield "a file that no tree has", {"tile/0/notes.txt": b"hello"}


for size in sizes:
    folder = ledgers / str(size)
    older = [ledgers / str(one) / "checkpoint" for one in sizes if one < size]

    with checks.that(f"{size} entries: x/mod/sumdb audits all of it", needed=True):
        holds, found = by_go(folder, *older)
        assert holds, found
        checks.note(found)

    with checks.that(f"{size} entries: airlockctl finds the same, by key and by keyset"):
        for by in (("--key", vkey), keyset):
            holds, found = by_airlockctl(folder, *older, by=by)
            assert holds and f"{size} entries" in found, found

    tried, kept = 0, pathlib.Path(remembered.name) / str(size)
    shutil.copy(folder / "checkpoint", kept)
    with checks.that(f"{size} entries: x/mod/sumdb and airlockctl refuse each tampered copy"):
        for name, changes in tamperings(folder, size):
            with with_changed(folder, changes):
                holds, found = by_go(folder)
                assert not holds, f"x/mod/sumdb accepts: {name}"
                # A checkpoint of fewer entries is genuine, and the files of a larger tree hold
                # it as well: only who kept the larger one can tell that it was put back.
                since = [kept] if name.startswith("the checkpoint of ") else []
                holds, found = by_airlockctl(folder, *since)
                assert not holds, f"airlockctl accepts: {name}"
            tried += 1
        assert tried >= 30, tried
    checks.note(f"{tried} tampered copies of {size} entries")

    with checks.that(f"{size} entries: all of it as before again"):
        assert by_go(folder, *older)[0] and by_airlockctl(folder, *older)[0]

    with checks.that(f"{size} entries: whoever kept a later checkpoint sees that all was put back"):
        for later in (one for one in sizes if one > size):
            kept = ledgers / str(later) / "checkpoint"
            assert not by_go(folder, kept)[0] and not by_airlockctl(folder, kept)[0]

with checks.that("a tree that the ledger's own key wrote anew is told by an older checkpoint"):
    fork = ledgers / "fork"
    for verdict in (by_go, by_airlockctl):
        assert verdict(fork)[0], "it is signed, and holds by itself"
        assert not verdict(fork, ledgers / str(sizes[0]) / "checkpoint")[0], verdict.__name__

material = []
for place in sorted((ledgers / "receipts").iterdir()):
    receipt, entry = place / "receipt.tlog-proof", place / "entry.jws"
    material.append({"receipt": receipt.read_text(), "entry": entry.read_text()})
    with checks.that(f"receipt {place.name}: airlockctl accepts it, and with another entry not"):
        command = (airlockctl, "verify", "receipt", receipt, "--key", vkey, "--entry")
        assert said(*command, entry)[0]
        others = [one for one in (ledgers / "receipts").iterdir() if one != place]
        other = next(one for one in others if (one / "entry.jws").read_text() != entry.read_text())
        assert not said(*command, other / "entry.jws")[0]

judged_by("ledger_receipts.mjs", {"vkey": vkey, "receipts": material}, checks)
checks.end()
