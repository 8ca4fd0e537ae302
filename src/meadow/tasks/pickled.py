"""Pickled: arrays out of a pickle that is read as data and never run.

A pickle is a program for a machine with a stack, and `pickle.load` runs it: it imports whatever
function the program names and calls it. Here the program is only followed as far as it puts
together numbers, strings, tuples, lists, dicts and arrays of whole numbers. No name in it is looked
up. Seven names, those that NumPy and JAX write for an array, are known by sight and answered by
code of ours; any other name, and any instruction that arrays do not need, is refused.

The instructions are told apart by `pickletools`, which reads and does not run.

References: CPython, Lib/pickletools.py, for what the instructions mean.
"""

import io
import math
import pickletools
import struct
from typing import Any, cast

import numpy as np

from meadow.core.errors import TaskError

LIMIT = 2**30  # bytes; the largest published set has 0.6e9
MAX_TEXT = 2**26  # bytes of one line: only protocol 0 and 1 write arrays as text
MAX_INSTRUCTIONS = 10_000  # a published file has about 150
WHOLE = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")

_RECONSTRUCT, _FROM_BUFFER, _FROM_JAX = "reconstruct", "from buffer", "from JAX"
_ARRAY, _DTYPE, _BYTES = "array", "dtype", "bytes"
_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _DTYPE,
    ("jax._src.array", "_reconstruct_array"): _FROM_JAX,
    ("_codecs", "encode"): _BYTES,  # how protocols 0 to 2 write bytes
}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STORE, _FETCH = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}


def arrays(file: io.BufferedIOBase, limit: int = LIMIT) -> dict[str, Any]:
    """The dict that a pickle holds; its arrays, NumPy's or JAX's, as NumPy arrays.

    Args:
        file: read to its end, which must be that of the pickle.
        limit: the most bytes to read.

    Raises:
        TaskError: the pickle is truncated, damaged, too large, no dict with strings for keys, or
            has anything in it but plain values and arrays of whole numbers. Nothing was run.
    """
    source = _Source(file, limit)
    try:
        value = _Machine(source).run()
        if file.read(1):
            raise TaskError("It goes on after the end of its pickle.")
        if not isinstance(value, dict):
            raise TaskError(f"Expected a pickled dict, got {_kind(value)}.")
        return {name: _settled(item) for name, item in value.items()}
    except TaskError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise TaskError(f"It is no pickle, or a truncated or damaged one ({error}).") from error
    except (EOFError, OSError, struct.error) as error:
        raise TaskError(f"It is truncated or damaged ({error}).") from error
    except MemoryError as error:
        raise TaskError("It does not fit into memory.") from error


class _Source:
    """A file that gives out at most `limit` bytes."""

    def __init__(self, file: io.BufferedIOBase, limit: int):
        self.file, self.limit, self.spent = file, limit, 0

    def read(self, size: int) -> bytes:
        self.spend(size)
        return self.file.read(size)

    def readline(self) -> bytes:
        line = self.file.readline(min(MAX_TEXT, self.limit - self.spent) + 1)
        if len(line) > MAX_TEXT:
            raise TaskError(f"It has a line of text of more than {MAX_TEXT:,} bytes.")
        self.spend(len(line))
        return line

    def tell(self) -> int:
        return self.spent

    def spend(self, size: int) -> None:
        """Before so many bytes are made: a file may announce, or unfold to, any number of them."""
        self.spent += size
        if self.spent > self.limit:
            raise TaskError(
                f"It unfolds to more than {self.limit:,} bytes. If you trust it, raise `limit`."
            )


class _Name:
    """A name that a pickle mentions and we know."""

    def __init__(self, role: str):
        self.role = role


class _Kind:
    """A dtype; its byte order is told by a second instruction."""

    def __init__(self, code: str):
        self.code, self.order = code, "|"

    def build(self, state: Any) -> None:
        self.order = state[1]
        if self.order not in ("|", "<", ">", "="):
            raise TaskError("It has a dtype of unknown byte order.")

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(("" if self.order == "|" else self.order) + self.code)


class _Later:
    """An array whose content is told by a second instruction."""

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.value = _array(data, kind, shape, "F" if fortran else "C")


class _Mark:
    """Where a group of values on the stack begins."""


class _Machine:
    """Follows a pickle; the stack holds plain values and the three classes above."""

    def __init__(self, source: _Source):
        self.source = source
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for number, (opcode, arg, _) in enumerate(pickletools.genops(cast(Any, self.source))):
            if number >= MAX_INSTRUCTIONS:
                raise TaskError(f"It has more than {MAX_INSTRUCTIONS:,} instructions.")
            if opcode.name == "STOP":
                break
            self.follow(opcode.name, arg)
        (value,) = self.stack
        return value

    def follow(self, name: str, arg: Any) -> None:
        if name in _LITERALS:
            self.stack.append(arg)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple(self.pop(_TUPLES[name])))
        elif name in _STORE:
            self.memo[arg] = self.stack[-1]
        elif name in _FETCH:
            self.stack.append(self.memo[arg])
        elif (method := getattr(self, f"do_{name.lower()}", None)) is not None:
            method(arg)
        elif name not in ("PROTO", "FRAME"):
            raise TaskError(
                f"It has the instruction {name}, which arrays have no use for. Nothing was run."
            )

    def pop(self, num: int) -> list[Any]:
        """The last `num` values, all of one group."""
        if num > len(self.stack):
            raise TaskError("It is damaged: it takes more values than it has put down.")
        values = self.stack[len(self.stack) - num :]
        if any(isinstance(value, _Mark) for value in values):
            raise TaskError("It is damaged: it takes a mark for a value.")
        del self.stack[len(self.stack) - num :]
        return values

    def group(self) -> list[Any]:
        """The values after the last mark, which is taken too."""
        for num, value in enumerate(reversed(self.stack)):
            if isinstance(value, _Mark):
                values = self.pop(num)
                self.stack.pop()
                return values
        raise TaskError("It is damaged: it ends a group that it has not begun.")

    def do_mark(self, _: Any) -> None:
        self.stack.append(_Mark())

    def do_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.group()))

    def do_empty_list(self, _: Any) -> None:
        self.stack.append([])

    def do_list(self, _: Any) -> None:
        self.stack.append(self.group())

    def do_append(self, _: Any) -> None:
        self.extend(self.pop(1))

    def do_appends(self, _: Any) -> None:
        self.extend(self.group())

    def extend(self, values: list[Any]) -> None:
        _expect(self.stack[-1], list).extend(values)

    def do_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def do_dict(self, _: Any) -> None:
        values = self.group()
        self.stack.append({})
        self.update(values)

    def do_setitem(self, _: Any) -> None:
        self.update(self.pop(2))

    def do_setitems(self, _: Any) -> None:
        self.update(self.group())

    def update(self, values: list[Any]) -> None:
        target = _expect(self.stack[-1], dict)
        for name, value in zip(values[::2], values[1::2], strict=True):
            # Strings only: to hash a tuple goes as deep as it is nested.
            target[_expect(name, str)] = value

    def do_global(self, arg: str) -> None:
        module, _, name = arg.partition(" ")
        self.stack.append(_name(module, name))

    def do_stack_global(self, _: Any) -> None:
        module, name = self.pop(2)
        self.stack.append(_name(_expect(module, str), _expect(name, str)))

    def do_reduce(self, _: Any) -> None:
        name, args = self.pop(2)
        self.stack.append(self.answer(_expect(name, _Name).role, _expect(args, tuple)))

    def do_build(self, _: Any) -> None:
        (state,) = self.pop(1)
        _expect(self.stack[-1], (_Kind, _Later)).build(_expect(state, tuple))

    def answer(self, role: str, args: tuple) -> Any:
        """What NumPy, JAX or `codecs` would have made of `args`."""
        if role == _DTYPE:
            if args[0] not in WHOLE:
                raise TaskError(f"It has an array of {_kind(args[0])}s that are no whole numbers.")
            return _Kind(args[0])
        if role == _RECONSTRUCT:
            return _Later()
        if role == _FROM_BUFFER:
            return _array(*args)
        if role == _FROM_JAX:
            later = _Later()
            later.build(_expect(args[2], tuple))
            return later
        if role == _BYTES and args[1:] == ("latin1",):
            self.source.spend(len(_expect(args[0], str)))
            return args[0].encode("latin1")
        raise TaskError(f"It uses the name of {role} in a way that arrays do not.")


def _name(module: str, name: str) -> _Name:
    role = _NAMES.get((module, name))
    if role is None:
        raise TaskError(
            f"It names {f'{module[:50]}.{name[:50]}'!r}, which arrays have no use for; to load it "
            "with `pickle` could run anything. Nothing was run."
        )
    return _Name(role)


def _array(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """An array over `data`, which is not copied."""
    dtype, shape = _expect(kind, _Kind).dtype, _expect(shape, tuple)
    if len(shape) > 3 or any(type(length) is not int or length < 0 for length in shape):
        raise TaskError("It has an array whose shape is no row of up to three whole numbers.")
    size = math.prod(shape) * dtype.itemsize
    if size != len(_expect(data, (bytes, bytearray))) or order not in ("C", "F"):
        raise TaskError(f"It has an array of shape {list(shape)} whose data do not fit.")
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _settled(value: Any) -> Any:
    if isinstance(value, _Later):
        if value.value is None:
            raise TaskError("It has an array without content.")
        return value.value
    return value


def _expect(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind):
        raise TaskError(f"It is damaged or made by hand: a {_kind(value)} is out of place.")
    return value


def _kind(value: Any) -> str:
    # Never the value: it may be as large and as deeply nested as its author liked.
    return type(value).__name__.strip("_").lower()
