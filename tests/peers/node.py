"""Hands material to a JavaScript peer and tells its checks along with one's own."""

import json
import os
import pathlib
import subprocess

SOURCES = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = pathlib.Path(os.environ.get("AIRLOCK_PEERS_NODE", SOURCES / "target" / "peers-node"))


def judged_by(script, material, checks):
    """Runs a script beside its packages, with the material on its standard input."""
    # The script's own lines are counted where they are read; only its death is told here.
    with checks.that(f"{script} was run, and found nothing wrong"):
        done = subprocess.run(
            ["node", FOLDER / script],
            input=json.dumps(material),
            capture_output=True,
            text=True,
            timeout=60,
        )
        print(done.stdout, end="", flush=True)
        assert done.returncode == 0, done.stderr or "see above"
