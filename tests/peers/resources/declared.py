"""What the deployment declares, in the words of Azure: read from `infra/identities.json`, from the
packages' functions, from what tenants are promised, and from the manifest that the admin plane
signed."""

import base64
import json
import pathlib

SOURCES = pathlib.Path(__file__).resolve().parents[3]
IDENTITIES = json.loads((SOURCES / "infra" / "identities.json").read_text())

APPS = ("signin", "intake", "execute", "rotate", "drift")
# The front door leads to these, by what paths begin with, and to no other.
OUTER = {"signin": "/auth/*", "intake": "/api/*"}

# Cosmos DB keeps those itself.
DOCUMENTS = ("container_read", "container_write")


def role(right):
    """Id of the role that stands for a right."""
    return IDENTITIES["azure_roles"][right]["id"]


def own_roles():
    """What the roles of the deployment's own are, by their ids."""
    roles = IDENTITIES["azure_roles"].values()
    return {role["id"]: role["custom"] for role in roles if "custom" in role}


def functions(app):
    """What calls each function of an app, as its package says."""
    folders = (SOURCES / "functions" / app).iterdir()
    return {folder.name: json.loads((folder / "function.json").read_text()) for folder in folders}


class Deployment:
    """Where everything is, by drift's manifest."""

    def __init__(self, cloud):
        file = pathlib.Path(cloud.stack["state"]) / "apps" / "drift" / "manifest.json"
        payload = json.loads(file.read_text())["manifest"].split(".")[1]
        payload += "=" * (-len(payload) % 4)
        self.manifest = json.loads(base64.urlsafe_b64decode(payload))
        self.group_id = self.manifest["resources"]
        _, _, self.subscription, _, self.group = self.group_id.split("/")
        self.principals = self.manifest["principals"]
        self.names = cloud.names
        self.vault = self._id("Microsoft.KeyVault/vaults", "vault")
        self.database = self._id("Microsoft.DocumentDB/databaseAccounts", "cosmos")
        self.bus = self._id("Microsoft.ServiceBus/namespaces", "bus")
        self.blobs = self._id("Microsoft.Storage/storageAccounts", "blobs")
        self.anchors = self._id("Microsoft.Storage/storageAccounts", "anchors")
        deployment = json.loads(pathlib.Path(cloud.stack["deployment"]).read_text())
        bindings = json.loads(pathlib.Path(deployment["bindings"]).read_text())
        self.isolated = {
            bound["tenant"]: bound["terms"].get("isolation") or {} for bound in bindings["tenants"]
        }

    def _id(self, kind, name):
        """Id of what has the host of this name."""
        return f"{self.group_id}/providers/{kind}/{self.names[name].split('.')[0]}"

    def site(self, app):
        """Name of an app's site."""
        return self.manifest["sites"][app]

    def host(self, app):
        """Host name of an app."""
        return f"{self.site(app)}.azurewebsites.net"

    def client_id(self, identity):
        """Client id of a managed identity."""
        return self.names["identities"][identity]["client_id"]

    def keys(self, key):
        """A key, and for each tenant that has its own beside it, that one."""
        yield key
        for tenant, isolation in self.isolated.items():
            if key == "tenant-data" and isolation.get("secrets", "shared") == "pool":
                yield f"{key}-{tenant}"

    def collections(self, container):
        """A container of documents, and for each tenant that has its own beside it, that one."""
        yield f"dbs/airlock/colls/{container}"
        for tenant, isolation in self.isolated.items():
            level = isolation.get("data", "shared")
            if container == "tenants" and level == "pool":
                yield f"dbs/airlock/colls/{container}-{tenant}"
            elif container == "tenants" and level == "silo":
                yield f"dbs/airlock-{tenant}/colls/{container}"

    def containers(self):
        """Every container of blobs, by the id of its account: those that somebody reads, and
        packages."""
        used = {name for who in IDENTITIES["identities"].values() for name in who["blobs"]}
        blobs = (used - {"anchors"}) | {f"package-{app}" for app in APPS}
        return {self.blobs: blobs, self.anchors: {"anchors"}}

    def assigned(self):
        """Every role that is granted: to whom, which, and over what, in small letters."""
        for name, identity in IDENTITIES["identities"].items():
            for right, scope in self._rights(identity):
                yield right, (self.principals[name], role(right), scope.lower())

    def _rights(self, identity):
        for right, keys in (
            ("key_sign", identity["keys"]["sign"]),
            ("key_wrap", identity["keys"]["wrap"]),
            ("key_rotate", identity.get("rotates", [])),
        ):
            every = [own for key in keys for own in self.keys(key)]
            yield from ((right, f"{self.vault}/keys/{key}") for key in every)
        for secret, rights in identity.get("secrets", {}).items():
            # Azure knows no patterns of names.
            over = self.vault if "*" in secret else f"{self.vault}/secrets/{secret}"
            yield "secret_set" if "set" in rights else "secret_get", over
        for container, rights in identity["cosmos"].items():
            right = "container_write" if "write" in rights else "container_read"
            yield from ((right, f"{self.database}/{own}") for own in self.collections(container))
        for container, rights in identity["blobs"].items():
            account = self.anchors if container == "anchors" else self.blobs
            for right in rights:
                yield f"blob_{right}", f"{account}/blobServices/default/containers/{container}"
        for right in ("send", "receive"):
            yield from ((f"queue_{right}", f"{self.bus}/queues/{name}") for name in identity[right])
        for right in identity.get("arm", []):
            right = {"read": "resources_read", "appsettings": "app_settings_list"}[right]
            yield right, self.group_id
