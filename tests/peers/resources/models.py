"""What of an answer does not fit the model by which Microsoft's client reads it.

The client says nothing when it meets a member that it does not know, a word beside its list, or a
text where the model has a number: it drops the first, hands on the second as it is, and makes
something of the third (`bool("Disabled")` is true). So the models are asked, and not only what came
of them. They are of two generations: the newer annotate their members, the older map each attribute
to a place in the answer.
"""

import datetime
import functools
import sys
import types
import typing

# What JSON has for the plain types of the models.
PLAIN = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
# Old models name their types in words of their own.
NAMED = {"str": str, "bool": bool, "int": int, "float": float, "iso-8601": datetime.datetime}


def misfits(model, answered, at=""):
    """Each member of what was answered that is not as this model has it, and why."""
    if not isinstance(answered, dict):
        yield f"{at}: {answered!r} where there is a {model.__name__}"
    elif hasattr(model, "_attribute_map"):
        yield from _placed(model, _places(model), answered, at)
    else:
        yield from _annotated(model, answered, at)


def _annotated(model, answered, at):
    """By a model that annotates its members."""
    # What kind a thing is can choose among models.
    model = type(model._deserialize(answered, []))
    attributes = {field._rest_name: name for name, field in model._attr_to_rest_field.items()}
    hints = typing.get_type_hints(model, _named_in(model))
    for name, value in answered.items():
        if name in attributes:
            yield from _value(hints[attributes[name]], value, _below(at, name))
        else:
            yield f"{_below(at, name)}: {model.__name__} knows no such member"
    for name in attributes.keys() - answered.keys():
        needed = type(None) not in typing.get_args(hints[attributes[name]])
        if needed and model._attr_to_rest_field[attributes[name]]._visibility != ["read"]:
            yield f"{_below(at, name)}: {model.__name__} needs it"


@functools.cache
def _places(model):
    """Where an old model finds its attributes, several members deep, and of which type each is."""
    hints = typing.get_type_hints(model.__init__, _named_in(model))
    places = {}
    for attribute, place in model._attribute_map.items():
        *above, last = place["key"].split(".")
        known = functools.reduce(lambda known, name: known.setdefault(name, {}), above, places)
        # Which words there are is told where the attribute is set, if it ever is.
        hint = hints.get(attribute)
        hint = hint if _words(hint) else _old_type(model, place["type"])
        required = model._validation.get(attribute, {}).get("required")
        known[last] = hint if required else typing.Optional[hint]
    return places


def _placed(model, places, answered, at):
    for name, value in answered.items():
        if name not in places:
            yield f"{_below(at, name)}: {model.__name__} knows no such member"
        elif isinstance(places[name], dict):
            yield from _placed(model, places[name], value, _below(at, name))
        else:
            yield from _value(places[name], value, _below(at, name))


def _old_type(model, name):
    """The type that an old model means by this."""
    if name.startswith("["):
        return list[_old_type(model, name[1:-1])]
    if name.startswith("{"):
        return dict[str, _old_type(model, name[1:-1])]
    if name == "object":
        return typing.Any
    return NAMED.get(name) or getattr(_package(model), name)


def _value(hint, value, at):
    """Why a value is not of this type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or (value is None and type(None) in arguments):
        return
    if origin in (typing.Union, types.UnionType):
        words = _words(hint)
        if words and isinstance(value, str):
            if value not in words:
                yield f"{at}: {value!r} is none of {sorted(words)}"
            return
        kinds = [kind for kind in arguments if kind is not type(None)]
        yield from min((list(_value(kind, value, at)) for kind in kinds), key=len)
    elif origin is typing.Literal:
        if value not in [getattr(word, "value", word) for word in arguments]:
            yield f"{at}: {value!r} is none of {arguments}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{at}: {value!r} where there is a list"
            return
        for index, one in enumerate(value):
            yield from _value(arguments[0], one, f"{at}[{index}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{at}: {value!r} where there is a map"
            return
        for name, one in value.items():
            yield from _value(arguments[1], one, f"{at}[{name}]")
    elif hint is datetime.datetime:
        try:
            datetime.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            yield f"{at}: {value!r} is no time"
    elif hint in PLAIN:
        # Not `isinstance`: true is an int there.
        if type(value) not in PLAIN[hint]:
            yield f"{at}: {value!r} where there is a {hint.__name__}"
    elif hasattr(hint, "_attribute_map") or hasattr(hint, "_is_model"):
        yield from misfits(hint, value, at)
    else:
        yield f"{at}: {hint} is not understood"


def _words(hint):
    """The words of the lists that a type names."""
    lists = [kind for kind in typing.get_args(hint) if hasattr(kind, "__members__")]
    return {word.value for kind in lists for word in kind}


def _below(at, name):
    return f"{at}.{name}".lstrip(".")


def _package(model):
    """The package that tells a model to the world."""
    return sys.modules[model.__module__.rpartition(".")[0]]


def _named_in(model):
    """What the annotations of a model name. Some of it is imported for type checkers alone."""
    module = sys.modules[model.__module__]
    return {**vars(typing), **vars(module), "_models": _package(model)}
