"""Atari games as programs, with the preprocessing that results are published with.

An action is repeated for four frames; the brighter of the last two is shown, grey, 84 by 84; an
episode begins with up to thirty frames of doing nothing and ends after 108,000 frames. A step shows
one frame, so a store keeps each once; who wants several stacks them.

References: Mnih et al., Human-level control through deep reinforcement learning, 2015; Machado et
al., Revisiting the Arcade Learning Environment, 2018, who advise sticky actions (0.25).
"""

from typing import Any

import gymnasium

from meadow.core.errors import UnknownNameError
from meadow.interop.host.gymnasium import GymnasiumProgram

NO_OPS, REPEATS, PIXELS = 30, 4, 84


def game(
    name: str, options: dict[str, Any], seed: int, *, sticky: float = 0.0, life_ends: bool = False
) -> GymnasiumProgram:
    """A game by its name, such as Breakout; shows uint8 [84, 84, 1].

    Args:
        sticky: chance that the game repeats the action before.
        life_ends: an episode ends with every life that is lost.

    Raises:
        UnknownNameError: there is no such game.
    """
    import ale_py

    gymnasium.register_envs(ale_py)
    known = {each.name for each in gymnasium.registry.values() if each.namespace == "ALE"}
    if name not in known:
        raise UnknownNameError("Atari game", name, known)
    env = gymnasium.make(
        f"ALE/{name}-v5",
        frameskip=1,
        repeat_action_probability=sticky,
        obs_type="grayscale",
        disable_env_checker=True,
        **options,
    )
    env = gymnasium.wrappers.AtariPreprocessing(
        env,
        noop_max=NO_OPS,
        frame_skip=REPEATS,
        screen_size=PIXELS,
        terminal_on_life_loss=life_ends,
        grayscale_newaxis=True,
    )
    return GymnasiumProgram(env, seed)
