"""Manifest: every field of an experiment, and nothing about who ran it where."""

import dataclasses
import enum
import functools
import getpass
import json
import math
import pathlib
import socket
import sys
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from meadow.runs.manifest import describe, manifest


class Colour(enum.Enum):
    RED = 1


class Pair(typing.NamedTuple):
    first: int
    second: float


class Learner(eqx.Module):
    gamma: float = 0.99
    width: int = eqx.field(default=8, static=True)
    rate: jax.Array = eqx.field(default_factory=lambda: jnp.float32(0.5))
    table: jax.Array = eqx.field(default_factory=lambda: jnp.zeros((2, 3), jnp.uint8))
    activation: typing.Callable = jax.nn.relu


@dataclasses.dataclass(frozen=True)
class Experiment:
    learner: Learner = dataclasses.field(default_factory=Learner)
    colour: Colour = Colour.RED
    pair: Pair = Pair(1, math.inf)
    sizes: tuple[int, ...] = (1, 2)
    extra: dict[str, object] = dataclasses.field(default_factory=lambda: {"none": None, "on": True})


@pytest.fixture(scope="module")
def made():
    return manifest(Experiment(), seed=7)


def test_every_field_is_there(made):
    experiment = made["experiment"]
    assert experiment["class"].endswith("test_manifest.Experiment")
    learner = experiment["learner"]
    assert (learner["gamma"], learner["width"]) == (0.99, 8), "static fields count too"
    assert (learner["rate"]["array"], learner["rate"]["value"]) == ("float32[]", 0.5)
    assert learner["table"]["array"] == "uint8[2,3]"
    assert learner["activation"].endswith("relu")
    assert experiment["colour"] == "Colour.RED"
    assert (experiment["pair"]["first"], experiment["pair"]["second"]) == (1, "inf")
    assert experiment["sizes"] == [1, 2] and experiment["extra"] == {"none": None, "on": True}


def test_it_is_strict_json_and_says_what_ran(made):
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["seed"] == 7
    assert made["versions"]["jax"] == jax.__version__
    assert made["devices"]["count"] == jax.device_count()
    assert made["started"].endswith("+00:00"), "the time is UTC"
    assert made["git"] is None or len(made["git"]["commit"]) == 40


def test_minimax_8_it_holds_no_environment_variable_host_or_user(monkeypatch):
    home = "/home/somebody-private"
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("API_TOKEN", "token-5e1f0c")
    monkeypatch.setattr(socket, "gethostname", lambda: "host-5e1f0c")
    monkeypatch.setattr(getpass, "getuser", lambda: "user-5e1f0c")
    monkeypatch.setattr(sys, "argv", [f"{home}/bin/meadow", "train", f"--out={home}/runs/a"])
    made = manifest({"path": pathlib.Path(home) / "x"}, 0)
    text = json.dumps(made)
    assert "5e1f0c" not in text and "API_TOKEN" not in text and "somebody-private" not in text
    assert made["command"] == ["meadow", "train", "--out=~/runs/a"]
    assert made["experiment"] == {"path": "~/x"}


def test_arrays_are_told_apart_by_their_digest():
    a, b = describe(np.zeros(3)), describe(np.array([0.0, 0.0, 1.0]))
    assert a["array"] == b["array"] and a["digest"] != b["digest"]
    assert describe(jr.key(0))["digest"] != describe(jr.key(1))["digest"]


def test_code_is_described_without_addresses():
    value = {
        "optimiser": optax.adam(1e-3),
        "partial": functools.partial(jnp.sum, axis=0),
        "dtype": np.dtype("float32"),
        "class": Learner,
        "object": object(),
        "set": {3, 1, 2},
    }
    described = describe(value)
    assert " at 0x" not in json.dumps(described)
    assert described["partial"]["keywords"] == {"axis": 0}
    assert described["dtype"] == "float32" and described["object"] == "builtins.object"
    assert described["set"] == [1, 2, 3] and described["class"].endswith("Learner")
