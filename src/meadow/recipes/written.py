"""Written: a recipe as plain JSON and back, so that a run folder says how to make it again.

Every part says which class of ours it is. Only dataclasses of this package are made from a file,
and only where they are of the kind that the field asks for; nothing else can be named.
"""

import dataclasses
import importlib
import types
import typing
from typing import Any, TypeVar

from meadow.core.errors import CheckpointError, SpecError

IS = "is"
_PACKAGE = "meadow."

Recipe = TypeVar("Recipe")


def write(recipe: Any) -> Any:
    """Nested dictionaries, lists and plain values.

    Raises:
        SpecError: it holds code, such as kinds of rules of your own, which no file can give back.
    """
    kind = type(recipe)
    if dataclasses.is_dataclass(kind) and f"{kind.__module__}.".startswith(_PACKAGE):
        fields = dataclasses.fields(kind)
        name = f"{kind.__module__}.{kind.__qualname__}"
        return {IS: name} | {field.name: write(getattr(recipe, field.name)) for field in fields}
    if isinstance(recipe, tuple):
        return [_plain(part) for part in recipe]
    return _plain(recipe)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SpecError(
        f"A run writes its recipe down as plain values, so that it can be resumed, but this one "
        f"holds {value!r}. Run it with `Compiled(recipe.experiment())` instead of `train`."
    )


def read(kind: type[Recipe], written: dict[str, Any]) -> Recipe:
    """The recipe again; the inverse of `write`.

    Args:
        kind: the class it must be of.

    Raises:
        CheckpointError: a class or a field is missing or unknown (written by another version).
    """
    found = _class(written.get(IS), kind)
    hints = typing.get_type_hints(found)
    fields = {field.name for field in dataclasses.fields(found)}  # type: ignore[arg-type]
    if set(written) != fields | {IS}:
        raise CheckpointError(
            f"This run was written by another version: `{found.__name__}` has other fields here "
            f"({', '.join(sorted(fields ^ (set(written) - {IS})))}). Read it with the version that "
            "its manifest names."
        )
    values = {name: value for name, value in written.items() if name != IS}
    return found(**{name: _value(hints[name], value) for name, value in values.items()})


def _class(name: Any, kind: type[Recipe]) -> type[Recipe]:
    """The dataclass of ours with that name, if it is a `kind`."""
    module, _, attribute = str(name).rpartition(".")
    found = None
    if module.startswith(_PACKAGE):
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ImportError:
            found = None
    if not (
        isinstance(found, type) and dataclasses.is_dataclass(found) and issubclass(found, kind)
    ):
        raise CheckpointError(
            f"This run was written by another version: it holds {name!r} where a "
            f"`{kind.__name__}` belongs. Read it with the version that its manifest names."
        )
    return found


def _value(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return None if value is None else _value(choices[0], value)
    if isinstance(value, dict) and isinstance(hint, type):
        return read(hint, value)
    return tuple(value) if isinstance(value, list) else value
