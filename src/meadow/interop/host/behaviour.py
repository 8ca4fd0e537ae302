"""bsuite's environments as programs.

References: Osband et al., Behaviour Suite for Reinforcement Learning, 2020.
"""

import contextlib
import io
from typing import Any

from meadow.core.errors import UnknownNameError
from meadow.interop.host.dm import DmProgram


def setting(name: str, options: dict[str, Any], seed: int) -> DmProgram:
    """A setting of an experiment, such as catch/0. Its luck is bsuite's own for that setting.

    Args:
        options: `save_path`, a folder to which bsuite writes what its scores are computed from.

    Raises:
        UnknownNameError: there is no such setting.
    """
    import bsuite
    from bsuite import sweep

    del seed  # part of the setting
    known = sweep.SWEEP
    if name not in known:
        raise UnknownNameError("setting of bsuite", name, known)
    with contextlib.redirect_stdout(io.StringIO()):  # it says which it has loaded
        if options:
            return DmProgram(bsuite.load_and_record(name, overwrite=True, **options))
        return DmProgram(bsuite.load_from_id(name))
