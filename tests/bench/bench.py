"""The bench, against the local cloud that $AIRLOCK_STACK names. Nothing is asserted about time."""

import argparse
import pathlib
import tempfile

import appends
import claims
import intake
from cloud import Cloud

options = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
options.add_argument("--rounds", type=int, default=3, help="rounds for each server")
options.add_argument("--seconds", type=int, default=5, help="length of a round")
options.add_argument("--tokens", type=int, default=2000, help="tokens of the second table")
options.add_argument("--only", choices=["claims", "requests", "ledger"], help="a part")
chosen = options.parse_args()

cloud = Cloud()
cloud.be_found()
with tempfile.TemporaryDirectory(prefix="airlock-bench-") as folder:
    folder = pathlib.Path(folder)
    if chosen.only in (None, "claims"):
        claims.measure(cloud, folder, chosen.rounds, chosen.seconds, chosen.tokens)
    if chosen.only in (None, "requests"):
        intake.measure(cloud, folder, chosen.seconds)
    if chosen.only in (None, "ledger"):
        appends.measure(cloud, folder, chosen.seconds)
