"""Every environment keeps the laws: add yours, with its tasks, to the list."""

import pytest

from meadow.testing import check_environment
from meadow.testing.probes import PROBES, HiddenArm, TimeLimit, other_arm

OPTIONS = {HiddenArm: {"hidden": other_arm}, TimeLimit: {"time_limit": 2}}
ENVIRONMENTS = [
    (environment, tasks, OPTIONS.get(type(environment), {})) for environment, tasks in PROBES
]


@pytest.mark.parametrize(("environment", "tasks", "options"), ENVIRONMENTS, ids=lambda x: type(x).__name__)
def test_environment(environment, tasks, options, key):
    check_environment(environment, tasks, **{"max_steps": 8, **options}, key=key)
