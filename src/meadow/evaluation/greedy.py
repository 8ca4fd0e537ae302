"""Greedy: an agent without its luck."""

import dataclasses

from meadow.core.agent import AbstractAgent


def greedy(agent: AbstractAgent) -> AbstractAgent:
    """The agent, and whatever agents are within it, with their field `greedy` set where they have
    one; others stay as they are."""
    fields = {field.name: getattr(agent, field.name) for field in dataclasses.fields(agent)}
    changes = {name: greedy(x) for name, x in fields.items() if isinstance(x, AbstractAgent)}
    changes |= {"greedy": True} if "greedy" in fields else {}
    return dataclasses.replace(agent, **changes)
