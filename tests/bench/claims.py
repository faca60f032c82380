"""`GET /api/claims`: Airlock beside what Flask and express make of the same job."""

import contextlib
import os
import pathlib
import sys

from cloud import TIMEOUT_S, direct
from load import Load, http
from servers import Server, free_port, running
from tables import rows
from tokens import Tokens

HERE = pathlib.Path(__file__).parent
CONNECTIONS = 32
WARM_UP_S = 3

AIRLOCK = "Airlock (intake)"
NODE = "Node (express, jose)"
FLASK = "Flask (PyJWT, gunicorn)"

# Gunicorn's default (`sync`) keeps no connection alive, which costs it more; how many threads there
# are changes little.
FLASK_WORKERS = ["--worker-class=gthread", "--threads=4", "--keep-alive=30"]

# CPU time of the baseline for one request, in Airlock's; and the same for Node's memory.
GOALS = {NODE: 5, FLASK: 14}
MEMORY_GOAL = 10


class Measured:
    """What one server did in all its rounds."""

    def __init__(self, server):
        self.server = server
        self.answered = 0
        self.seconds = 0.0
        self.cpu_ms = []
        self.p50_ms = []
        self.p99_ms = []
        self.cpu_s = 0.0

    def round(self, load, seconds):
        """Drives the server once more."""
        before = self.server.cpu_s()
        told = load.against(self.server.port, seconds, CONNECTIONS)
        cpu_s = self.server.cpu_s() - before
        assert not told["refused"] and not told["broken"], f"{self.server.name}: {told}"
        assert told["answered"], f"{self.server.name} answered nothing"
        self.answered += told["answered"]
        self.seconds += told["seconds"]
        self.cpu_s += cpu_s
        self.cpu_ms.append(1000 * cpu_s / told["answered"])
        self.p50_ms.append(told["p50_ms"])
        self.p99_ms.append(told["p99_ms"])
        self.resident = self.server.resident_mib(self.server.pids())
        self.serving = self.server.resident_mib(self.server.serving())
        self.anonymous = self.server.anonymous_mib(self.server.pids())
        self.proportional = self.server.proportional_mib(self.server.pids())

    def cpu_of_one_ms(self):
        """CPU time for one request, over all rounds."""
        return 1000 * self.cpu_s / self.answered

    def cells(self):
        """As a line of the table."""
        lowest, highest = min(self.cpu_ms), max(self.cpu_ms)
        return [
            self.server.name,
            f"{self.answered / self.seconds:,.0f}",
            f"{_median(self.p50_ms):.2f}",
            f"{_median(self.p99_ms):.2f}",
            f"{self.cpu_of_one_ms():.4f}",
            f"{lowest:.4f}-{highest:.4f}",
            f"{self.resident:.1f}",
            f"{self.anonymous:.1f}",
            f"{self.proportional:.1f}",
            str(len(self.server.pids())),
        ]


def _median(values):
    return sorted(values)[len(values) // 2]


@contextlib.contextmanager
def three_servers(cloud, tokens, folder):
    """Airlock's own process, and the two baselines."""
    intake = cloud.control("GET", "/processes")["intake"]
    said = {
        "BENCH_AUDIENCE": tokens.audience,
        "BENCH_ISSUER": tokens.issuer,
        "BENCH_KEYS": tokens.metadata["jwks_uri"],
        "BENCH_TENANT": tokens.tenant,
        "PATH": os.environ["PATH"],
    }
    node_port, flask_port = free_port(), free_port()
    node = running(
        NODE,
        ["node", str(pathlib.Path(os.environ["AIRLOCK_BENCH_NODE"]) / "express_claims.mjs")],
        {
            **said,
            "BENCH_DOOR": cloud.stack["tls"],
            "BENCH_PORT": str(node_port),
            "NODE_ENV": "production",
            "NODE_EXTRA_CA_CERTS": cloud.stack["ca"],
        },
        node_port,
        folder / "node.log",
    )
    flask = running(
        FLASK,
        [
            sys.executable,
            "-m",
            "gunicorn",
            "--workers=2",
            *FLASK_WORKERS,
            f"--bind=127.0.0.1:{flask_port}",
            "flask_claims:app",
        ],
        {
            **said,
            "HTTPS_PROXY": cloud.stack["proxy"],
            "SSL_CERT_FILE": cloud.stack["ca"],
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        flask_port,
        folder / "flask.log",
    )
    with node as node, flask as flask:
        yield [Server(AIRLOCK, intake["pid"], intake["port"]), node, flask]


def ask(server, token):
    """One request, by hand."""
    return direct.get(
        f"http://127.0.0.1:{server.port}/api/claims",
        headers={"authorization": f"Bearer {token}"},
        timeout=TIMEOUT_S,
    )


def do_the_same_job(servers, tokens):
    """A server that checks less would be faster."""
    for server in servers:
        answer = ask(server, tokens.first)
        assert answer.status_code == 200, f"{server.name}: {answer.status_code} {answer.text}"
        assert answer.json() == {"claims": tokens.claims}, f"{server.name}: {answer.text}"
    for what, token in tokens.bad().items():
        for server in servers:
            status = ask(server, token).status_code
            assert status in (401, 403), f"{server.name} answers {status} to a token {what}"


def replayed(folder, name, tokens):
    """Requests with these tokens, in turn."""
    return Load(
        folder / name,
        [http("GET", "/api/claims", {"authorization": f"Bearer {token}"}) for token in tokens],
    )


def measure(cloud, folder, rounds, seconds, distinct):
    """Prints both tables."""
    tokens = Tokens(cloud)
    one = replayed(folder, "one-token", [tokens.first])
    many = replayed(folder, "many-tokens", tokens.distinct(distinct))
    size = len(tokens.first)
    print(
        f"""
GET /api/claims: RS256 with 2048 bits, a token of {size} bytes, {CONNECTIONS} connections,
straight to each server's own port (intake's is where the Functions host forwards to);
{rounds} rounds of {seconds} s for each server, in turn, after {WARM_UP_S} s to warm up.
All three keep the keys of Entra. Airlock alone keeps verified tokens as well, up to a bound."""
    )
    with three_servers(cloud, tokens, folder) as servers:
        do_the_same_job(servers, tokens)
        for title, load in (
            ("the same token in every request", one),
            (f"{distinct} different tokens in turn", many),
        ):
            for server in servers:
                load.against(server.port, WARM_UP_S, CONNECTIONS)
            measured = [Measured(server) for server in servers]
            for turn in range(rounds):
                for at in range(len(measured)):
                    # Nobody is always the first.
                    measured[(turn + at) % len(measured)].round(load, seconds)
            tell(title, measured)


def tell(title, measured):
    """One table, and what it says about the goals."""
    print(f"\n  {title}")
    rows(
        [
            "",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU ms/request",
            "(rounds)",
            "RSS MiB",
            "(anonymous)",
            "PSS MiB",
            "processes",
        ],
        [one.cells() for one in measured],
    )
    ours, *theirs = measured
    for other in theirs:
        ratio = other.cpu_of_one_ms() / ours.cpu_of_one_ms()
        goal = GOALS[other.server.name]
        print(
            f"  CPU time for one request: {other.server.name} needs {ratio:.1f} times as much "
            f"(goal: at least {goal})"
        )
    node = next(other for other in theirs if other.server.name == NODE)
    print(
        f"  resident memory: {NODE} needs {node.serving / ours.resident:.1f} times as much in its "
        f"two serving processes (goal: more than {MEMORY_GOAL}),\n"
        f"  {node.resident / ours.resident:.1f} times with the one that watches over them"
    )
