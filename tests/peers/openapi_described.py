"""The OpenAPI document as jsonschema understands it, and whether an answer is what it describes."""

import base64
import json
import urllib.parse

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

URN = "urn:airlock:openapi"


class Described:
    """What a document describes."""

    def __init__(self, document):
        self.paths = document["paths"]
        self.schemas = document["components"]["schemas"]
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self.registry = Registry().with_resource(URN, resource)

    def operations(self):
        """The names of all operations, and where each is: path and method."""
        return {
            described["operationId"]: (path, method)
            for path, item in self.paths.items()
            for method, described in item.items()
        }

    def told(self, answer, name, status=200):
        """The JSON of an answer, or its text, if it is what the operation says."""
        path, method = self.operations()[name]
        assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text}"
        media_type = answer.headers["content-type"].partition(";")[0]
        contents = self.paths[path][method]["responses"][str(status)]["content"]
        pointer = ["paths", path, method, "responses", str(status), "content", media_type, "schema"]
        assert media_type in contents, f"{name}: {media_type}"
        escaped = (part.replace("~", "~0").replace("/", "~1") for part in pointer)
        validator = Judge(
            # A member that is not described may come one day; it does not now.
            {
                "$ref": f"{URN}#/{urllib.parse.quote('/'.join(escaped))}",
                "unevaluatedProperties": False,
            },
            registry=self.registry,
            format_checker=Judge.FORMAT_CHECKER,
        )
        body = answer.text if media_type == "text/plain" else answer.json()
        validator.validate(body)
        return body

    def members(self, schema):
        """The members that a schema has, with those of which it is made."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        found = set(schema.get("properties", {}))
        return found.union(*(self.members(part) for part in schema.get("allOf", [])))


def claims_within(validator, schema, text, _):
    """`contentSchema`, of a compact JWS: the list of its decoded header and claims."""
    if validator.schema.get("contentMediaType") != "application/jwt":
        return
    parts = [part + "=" * (-len(part) % 4) for part in text.split(".")[:2]]
    contents = [json.loads(base64.urlsafe_b64decode(part)) for part in parts]
    yield from validator.descend(contents, schema)


Judge = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"contentSchema": claims_within}
)
