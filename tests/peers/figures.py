"""Prints how long each handler took until it answered, and what it keeps in memory."""

import sys

from cloud import Cloud

cloud = Cloud()
print(f"{sys.argv[1]}:")
print(f"  {'handler':<10}{'ready after':>12}{'resident':>12}{'restarts':>10}")
for app, process in sorted(cloud.control("GET", "/processes").items()):
    ready = "not ready" if process["ready_ms"] is None else f"{process['ready_ms']:.0f} ms"
    resident = f"{process['resident_bytes'] / 2**20:.1f} MiB"
    print(f"  {app:<10}{ready:>12}{resident:>12}{process['restarts']:>10}")
