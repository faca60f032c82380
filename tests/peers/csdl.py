"""Microsoft Graph as its own metadata describes it: paths, properties, types.

Reads a CSDL document (OData 4) and says of a path what it leads to, and of a value whether it is
one of that type. A name that the metadata does not have is wrong, whoever uses it.
"""

import base64
import datetime
import re
import xml.etree.ElementTree

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?Z")
DURATION = re.compile(r"-?P(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
EXTENSION = re.compile(r"extension_[0-9a-f]{32}_\w+")
# Annotations that Graph writes into answers.
ANNOTATIONS = {
    "@odata.context", "@odata.count", "@odata.id", "@odata.nextLink", "@odata.type",
}
# Navigation properties that Graph writes into answers without being asked to expand them.
CONTAINED = {
    ("microsoft.graph.conditionalAccessGrantControls", "authenticationStrength"),
    ("microsoft.graph.authenticationStrengthPolicy", "combinationConfigurations"),
}


class Wrong(Exception):
    """Something is not as the metadata has it."""


class Type:
    """An entity type or a complex type."""

    def __init__(self, name, element):
        self.name = name
        self.base = element.get("BaseType")
        self.open = element.get("OpenType") == "true"
        self.is_entity = element.tag == f"{EDM}EntityType"
        self.properties = {
            one.get("Name"): (one.get("Type"), one.get("Nullable") != "false")
            for one in element.findall(f"{EDM}Property")
        }
        self.navigation = {
            one.get("Name"): one.get("Type")
            for one in element.findall(f"{EDM}NavigationProperty")
        }


class Metadata:
    """A whole CSDL document."""

    def __init__(self, file):
        self.types, self.enums, self.roots, self.bound = {}, {}, {}, {}
        self.aliases = {}
        root = xml.etree.ElementTree.parse(file).getroot()
        for schema in root.iter(f"{EDM}Schema"):
            if schema.get("Alias"):
                self.aliases[schema.get("Alias")] = schema.get("Namespace")
        for schema in root.iter(f"{EDM}Schema"):
            self._read(schema)

    def _read(self, schema):
        namespace = schema.get("Namespace")
        for element in schema:
            name = f"{namespace}.{element.get('Name')}"
            kind = element.tag.removeprefix(EDM)
            if kind in ("EntityType", "ComplexType"):
                self.types[name] = Type(name, element)
            elif kind == "EnumType":
                members = {member.get("Name") for member in element.findall(f"{EDM}Member")}
                self.enums[name] = (members, element.get("IsFlags") == "true")
            elif kind in ("Action", "Function") and element.get("IsBound") == "true":
                parameter = element.find(f"{EDM}Parameter")
                returned = element.find(f"{EDM}ReturnType")
                key = (self.full(parameter.get("Type")), element.get("Name"))
                self.bound[key] = (
                    kind, namespace, None if returned is None else returned.get("Type")
                )
            elif kind == "EntityContainer":
                for one in element:
                    if one.tag == f"{EDM}EntitySet":
                        self.roots[one.get("Name")] = f"Collection({one.get('EntityType')})"
                    elif one.tag == f"{EDM}Singleton":
                        self.roots[one.get("Name")] = one.get("Type")

    def full(self, name):
        """A type's name with its whole namespace."""
        if inner := collected(name):
            return f"Collection({self.full(inner)})"
        prefix, _, last = name.rpartition(".")
        return f"{self.aliases.get(prefix, prefix)}.{last}"

    def line(self, name):
        """A type and those that it is derived from."""
        while name:
            one = self.types.get(self.full(name))
            if one is None:
                raise Wrong(f"there is no type {name}")
            yield one
            name = one.base

    def derives(self, name, from_name):
        """Whether a type is the other one, or derived from it."""
        return any(one.name == self.full(from_name) for one in self.line(name))

    def member(self, name, type_name, what):
        """What a member of a type is, or `None`."""
        for one in self.line(type_name):
            if name in getattr(one, what):
                return getattr(one, what)[name]
        return None

    def follow(self, path):
        """What a path below the version leads to: the name of a type, and of an operation if it
        ends in one. Spelling counts, although Graph itself is lenient."""
        segments = [segment for segment in path.split("?")[0].split("/") if segment]
        if not segments or segments[0] not in self.roots:
            raise Wrong(f"there is no {segments[:1]} in the service")
        here, operation = self.full(self.roots[segments[0]]), None
        for segment in segments[1:]:
            if operation:
                raise Wrong(f"nothing comes after {operation}, and {segment} does")
            here, operation = self._step(here, segment)
        return here, operation

    def _step(self, here, segment):
        inner = collected(here)
        if segment == "$ref":
            return here, None
        if "." in segment:
            of = inner or here
            if self.full(segment) in self.types:
                if not self.derives(segment, of):
                    raise Wrong(f"no {of} is a {segment}")
                cast = self.full(segment)
                return (f"Collection({cast})" if inner else cast), None
            namespace, _, segment = segment.rpartition(".")
        else:
            namespace = None
        ancestors = [one.name for one in self.line(inner or here)]
        for name in ancestors:
            key = (f"Collection({name})" if inner else name, segment)
            if key in self.bound:
                _, home, returned = self.bound[key]
                if namespace and self.aliases.get(namespace, namespace) != home:
                    continue
                return (self.full(returned) if returned else "nothing"), segment
        if namespace:
            raise Wrong(f"nothing named {namespace}.{segment} is bound to {here}")
        if inner:
            return inner, None  # a key
        found = self.member(segment, here, "navigation")
        if found is None:
            found = (self.member(segment, here, "properties") or (None,))[0]
        if found is None:
            raise Wrong(f"{here} has no {segment}")
        return self.full(found), None

    def selectable(self, type_name, name):
        """Whether `$select` and `$filter` know a property: one of the type or, as Graph allows
        in collections of directory objects, of a type that is derived from it."""
        if self.member(name, type_name, "properties"):
            return True
        return any(
            name in one.properties and self.derives(one.name, type_name)
            for one in self.types.values()
        )

    def judge(self, value, type_name, where, nullable=True):
        """Whether a JSON value is one of a type; yields how many names were looked at."""
        if value is None:
            if not nullable:
                raise Wrong(f"{where} is null")
            return 0
        type_name = self.full(type_name)
        if inner := collected(type_name):
            if not isinstance(value, list):
                raise Wrong(f"{where} is no list")
            return sum(
                self.judge(one, inner, f"{where}[{index}]", False)
                for index, one in enumerate(value)
            )
        if type_name.startswith("Edm."):
            primitive(value, type_name, where)
            return 0
        if type_name in self.enums:
            members, flags = self.enums[type_name]
            said = value.split(",") if flags and isinstance(value, str) else [value]
            if not all(isinstance(one, str) and one in members for one in said):
                raise Wrong(f"{where} is {value!r}, and no {type_name}")
            return 0
        return self._judge_object(value, type_name, where)

    def _judge_object(self, value, type_name, where):
        if not isinstance(value, dict):
            raise Wrong(f"{where} is no object")
        said = value.get("@odata.type")
        if said is not None:
            name = said.removeprefix("#")
            if not self.derives(name, type_name):
                raise Wrong(f"{where} says that it is {said}, and is no {type_name}")
            type_name = self.full(name)
        judged = 0
        for name, inside in value.items():
            if "@" in name:
                if name not in ANNOTATIONS:
                    raise Wrong(f"{where} has the annotation {name}")
                continue
            found = self.member(name, type_name, "properties")
            if found is None and (type_name, name) in CONTAINED:
                found = (self.member(name, type_name, "navigation"), True)
            if found is None:
                # Directory objects are open for these alone; an open type excuses no misspelling.
                if EXTENSION.fullmatch(name) and any(one.open for one in self.line(type_name)):
                    continue
                raise Wrong(f"{type_name} has no property {name} ({where})")
            declared, nullable = found
            judged += 1 + self.judge(inside, declared, f"{where}.{name}", nullable)
        return judged


def collected(name):
    """The type of a collection's members, or `None`."""
    match = re.fullmatch(r"Collection\((.+)\)", name)
    return match and match[1]


def primitive(value, name, where):
    """Whether a JSON value is one of a primitive type."""

    def text(pattern):
        return isinstance(value, str) and pattern.fullmatch(value)

    def number(low, high):
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    if name == "Edm.String":
        fits = isinstance(value, str)
    elif name == "Edm.Boolean":
        fits = isinstance(value, bool)
    elif name == "Edm.Guid":
        fits = text(GUID)
    elif name == "Edm.Int32":
        fits = number(-(2**31), 2**31 - 1)
    elif name == "Edm.Int64":
        fits = number(-(2**63), 2**63 - 1)
    elif name in ("Edm.Double", "Edm.Single", "Edm.Decimal"):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif name == "Edm.DateTimeOffset":
        fits = text(TIME) and datetime.datetime.fromisoformat(value[:19])
    elif name == "Edm.Date":
        fits = isinstance(value, str) and datetime.date.fromisoformat(value)
    elif name == "Edm.Duration":
        fits = text(DURATION)
    elif name == "Edm.Binary":
        fits = isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    else:
        raise Wrong(f"{where}: no rule for {name}")
    if not fits:
        raise Wrong(f"{where} is {value!r}, and no {name}")
