"""Written: a recipe as plain JSON and back, so that a run folder says how to make it again."""

import dataclasses
import types
import typing
from typing import Any, TypeVar

from meadow.core.errors import CheckpointError, SpecError

Recipe = TypeVar("Recipe")


def write(recipe: Any) -> Any:
    """Nested dictionaries, lists and plain values.

    Raises:
        SpecError: it holds code, such as kinds of rules of your own, which no file can give back.
    """
    if dataclasses.is_dataclass(recipe):
        fields = dataclasses.fields(recipe)
        return {field.name: write(getattr(recipe, field.name)) for field in fields}
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
    """The recipe again; the inverse of `write`. Only classes named in `kind`'s fields are made.

    Raises:
        CheckpointError: a field is missing or unknown (written by another version).
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if set(written) != fields:
        raise CheckpointError(
            f"This run was written by another version: `{kind.__name__}` has other fields here "
            f"({', '.join(sorted(fields ^ set(written)))}). Read it with the version that its "
            "manifest names."
        )
    return kind(**{name: _value(hints[name], value) for name, value in written.items()})


def _value(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return None if value is None else _value(choices[0], value)
    if dataclasses.is_dataclass(hint):
        return read(typing.cast(type, hint), value)
    return tuple(value) if isinstance(value, list) else value
