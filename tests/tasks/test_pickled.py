"""Pickled: arrays are read, and nothing else can be done to whoever reads them."""

import builtins
import bz2
import copyreg
import io
import os
import pickle
import pickletools
import random
import struct
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from meadow.core.errors import TaskError
from meadow.tasks import pickled

PLAIN = np.ndarray | int | float | str | tuple | list | dict | bytes | None
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
CONTENT = {
    "generation_config": {
        "prob": 0.5,
        "seed": 42,
        "big": 2**40,
        "none": None,
        "on": True,
        "l": [1],
    },
    "wide": np.arange(24, dtype=np.int32).reshape(2, 3, 4) - 5,
    "bytes": np.arange(6, dtype=np.uint8).reshape(3, 2),
}
NUMPY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"


def loads(data: bytes, limit: int = pickled.LIMIT) -> dict:
    return pickled.arrays(io.BytesIO(data), limit)


class Call:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("make", [jnp.asarray, np.asarray, np.asfortranarray], ids=str.__name__)
def test_arrays_of_jax_and_numpy_in_every_protocol(protocol, make):
    data = {k: v if isinstance(v, dict) else make(v) for k, v in CONTENT.items()}
    found = loads(pickle.dumps(data, protocol))
    assert found["generation_config"] == CONTENT["generation_config"], "plain values"
    for name in ("wide", "bytes"):
        assert type(found[name]) is np.ndarray, "no JAX array is made"
        np.testing.assert_array_equal(found[name], CONTENT[name])
        assert found[name].dtype == CONTENT[name].dtype


def test_the_other_byte_order():
    swapped = CONTENT["wide"].astype(">i4")
    np.testing.assert_array_equal(loads(pickle.dumps({"a": swapped}))["a"], swapped)


def test_an_array_twice_is_read_once():
    array = np.ones(3, np.uint8)
    found = loads(pickle.dumps({"a": array, "b": array}))
    assert found["a"] is found["b"]


# --- what is refused ----------------------------------------------------------------------------


def hostile() -> dict[str, bytes]:
    """Pickles that would do something, by what it is."""
    call = {
        "system": Call(os.system, "touch pwned"),
        "eval": Call(builtins.eval, "open('pwned', 'w')"),
        "getattr": Call(getattr, "", "join"),
        "import": Call(__import__, "antigravity"),
        "fromfile": Call(np.fromfile, "/etc/passwd", np.uint8),
        "memmap": Call(np.memmap, "pwned", np.uint8, "w+", 0, (3,)),
        "save": Call(np.save, "pwned", 1),
        "load": Call(np.load, "pwned"),
        "nested": {"goals": [(Call(os.system, "touch pwned"),)]},
        "bytearray": Call(bytearray, 10**12),
    }
    data = {f"{name} {p}": pickle.dumps({"a": c}, p) for name, c in call.items() for p in (0, 2, 4)}
    by_hand = {
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile\x93.",
        "other module": b"\x80\x04\x8c\x05numpy\x8c\x06system\x93.",
        "inst": b"(S'touch pwned'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nVtouch pwned\no.",
        "newobj": b"\x80\x02cnumpy\nndarray\n((K\x05tt\x81.",
        "newobj of a known name": b"\x80\x02cnumpy\ndtype\n(Vu1\nt\x81.",
        "newobj with keywords": b"\x80\x04cnumpy\nndarray\n)}\x92.",
        "extension": b"\x80\x02\x82\x01.",
        "extension 2": b"\x80\x02\x83\x01\x01.",
        "extension 4": b"\x80\x02\x84\x01\x01\x00\x00.",
        "persistent": b"Ppwned\n.",
        "persistent 2": b"Vpwned\nQ.",
        "call of a class": b"cnumpy\nndarray\n((K\x05ttR.",
        "call of an array": NUMPY + b"(tR.",
        "call of a string": b"Vos\n(tR.",
        "other text codec": b"c_codecs\nencode\n(Vpwned\nVrot13\ntR.",
        "state of a name": b"cnumpy\ndtype\n}(V__defaults__\nK\x01ub.",
        "state of a dict": b"}}(V__class__\nK\x01ub.",
        "state of a list": b"](K\x01tb.",
        "object dtype": b"}Va\n"
        + NUMPY
        + b"(K\x01(K\x01tcnumpy\ndtype\n(VO8\nI00\nI01\ntRI00\n](NatbS.",
        "record dtype": b"cnumpy\ndtype\n(Vi4,O\nI00\nI01\ntR.",
        "set": b"\x80\x04\x8f.",
        "buffer": b"\x80\x05\x97.",
        "pop": b"}0}.",
        "long": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    }
    return data | by_hand


HOSTILE = hostile()


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_run(name, tmp_path, monkeypatch):
    data = HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    copyreg.add_extension("os", "system", 1)
    before = set(sys.modules)
    try:
        with pytest.raises(TaskError):
            loads(data)
    finally:
        copyreg.remove_extension("os", "system", 1)
    assert not any(tmp_path.iterdir()), f"{name} wrote a file"
    assert "antigravity" not in set(sys.modules) - before, f"{name} imported a module"
    assert loads(pickle.dumps(CONTENT)).keys() == CONTENT.keys(), f"{name} changed the reader"


def test_what_was_refused_is_named():
    with pytest.raises(
        TaskError, match=rf"names '{os.system.__module__}\.system'.*Nothing was run"
    ):
        loads(pickle.dumps({"a": Call(os.system, "touch pwned")}))
    with pytest.raises(TaskError, match="has the instruction EXT1"):
        loads(b"\x80\x02\x82\x01.")
    with pytest.raises(TaskError, match="Expected a pickled dict, got list"):
        loads(pickle.dumps([1]))
    with pytest.raises(TaskError, match="no whole numbers"):
        loads(pickle.dumps({"a": np.ones(2)}))
    with pytest.raises(TaskError, match="without content"):
        loads(b"}Va\n" + NUMPY + b"s.")


# --- what is too much ---------------------------------------------------------------------------


def nested(opener: bytes, closer: bytes, depth: int) -> bytes:
    return b"}" + opener * depth + closer * depth + b"."


@pytest.mark.parametrize(
    "data",
    [
        nested(b"(", b"t", 1_000_000),
        b"}" + b"]" * 4_000 + b"a" * 3_999 + b"Vx\ns.",
        b"}" + b")" + b"\x85" * 9_000 + b"K\x01s.",  # a nested tuple as the key of a dict
        b"}" + b"(" * 9_000 + b".",
    ],
    ids=["tuples", "lists", "tuples as a key", "marks"],
)
def test_nesting_overflows_nothing(data):
    with pytest.raises(TaskError):
        loads(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**40), "unfolds to more than 1,000 bytes"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**63), "no pickle, or a truncated or damaged one"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40), "unfolds to more than 1,000 bytes"),
        (b"\x80\x04X" + struct.pack("<I", 2**32 - 1), "unfolds to more than 1,000 bytes"),
        (b"\x80\x02r" + struct.pack("<I", 2**31), "damaged"),
        (b"V" + b"x" * 2_000 + b"\n.", "unfolds to more than 1,000 bytes"),
        (b"}" * 11_000, "unfolds to more than"),
        (b"c_codecs\nencode\nq\x00V" + b"x" * 400 + b"\nq\x01"
         + b"h\x00h\x01Vlatin1\n\x86R" * 5 + b".", "unfolds to more than"),
        (NUMPY + b"(K\x01(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ftcnumpy\ndtype\n(Vu1\nI00\nI01\ntR"
         b"I00\nC\x01xtb.", r"of shape \[2147483647, 2147483647\] whose data do not fit"),
    ],
    ids=["bytes", "more than there are", "bytearray", "text", "memo", "line", "instructions",
         "bytes again and again", "shape"],
)  # fmt: skip
def test_announced_sizes_are_not_believed(data, message):
    with pytest.raises(TaskError, match=message):
        loads(data, limit=1_000)


def test_many_instructions_are_too_many():
    with pytest.raises(TaskError, match="more than 10,000 instructions"):
        loads(b"(" * 20_000)


def test_a_bomb_is_not_unfolded():
    zeros, letters = bytes(3_000_000), b"x" * 3_000_000
    for data in (b"\x80\x04B" + struct.pack("<I", len(zeros)) + zeros, b"V" + letters + b"\n."):
        with bz2.open(io.BytesIO(bz2.compress(data))) as file:
            with pytest.raises(TaskError, match="unfolds to more than 10,000 bytes"):
                pickled.arrays(file, limit=10_000)
            assert file.tell() <= 10_001, "reading stops at the limit"


# --- what is damaged ----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damage_is_refused_or_harmless(protocol):
    luck = random.Random(protocol)
    data = pickle.dumps(
        {k: CONTENT[k] for k in ("wide", "bytes")} | {"j": jnp.ones(3, int)}, protocol
    )
    for end in range(0, len(data), 41):
        with pytest.raises(TaskError):
            loads(data[:end])
    with pytest.raises(TaskError, match="goes on after the end"):
        loads(data + b"x")
    for _ in range(50):
        changed = bytearray(data)
        for _ in range(luck.choice((1, 1, 3))):
            changed[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
        try:
            found = loads(bytes(changed))
        except TaskError:
            continue
        strange = [x for x in found.values() if not isinstance(x, PLAIN)]
        assert not strange, "only plain values come out"


def test_every_instruction_is_followed_or_refused():
    for opcode in pickletools.opcodes:
        if opcode.name != "STOP":
            with pytest.raises(TaskError):
                loads(opcode.code.encode("latin1") + bytes(20))
