"""Who reads, what was declared, and how both are compared."""

import contextlib
import functools

from .clients import Clients
from .declared import Deployment


class Stage:
    """A local cloud, and drift's view of it."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.declared = Deployment(cloud)
        self.group = self.declared.group
        self.drift = self.as_app("drift")

    def as_app(self, identity):
        """Microsoft's clients, as the managed identity of an app."""
        return Clients.of(self.cloud, identity, self.declared.subscription)

    @contextlib.contextmanager
    def altered(self):
        """Whatever is changed within is put back."""
        self.cloud.control("POST", "/resources/snapshot", {})
        try:
            yield self.change
        finally:
            self.cloud.control("POST", "/resources/restore", {})

    def change(self, resource, **change):
        """Changes a resource, as whoever owns the subscription could."""
        self.cloud.control("POST", "/resources", {"id": resource, **change})


def is_told(thing, **wanted):
    """The attributes of what was parsed are exactly these; `a__b` is the one below the other."""
    for name, value in wanted.items():
        found = functools.reduce(getattr, name.split("__"), thing)
        # 1 is not true here.
        same = found == value and isinstance(found, bool) == isinstance(value, bool)
        assert same, f"{name} of {thing.name}: {found!r} is not {value!r}"


def named(things):
    """Each by its name."""
    found = {thing.name: thing for thing in things}
    assert len(found) == len(things), "two have one name"
    return found


def ids(things):
    """Their ids, in small letters, as Azure tells no capitals from them."""
    found = {thing.id.lower() for thing in things}
    assert len(found) == len(things), "one is told twice"
    return found
