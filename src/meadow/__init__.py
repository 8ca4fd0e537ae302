"""Meadow: open-ended reinforcement learning in JAX.

A curriculum samples tasks; an agent lives them in an environment; a learner improves the agent from
what was lived; evaluation judges it on tasks it never chose.
"""

__version__ = "0.1.0"
