"""Every curriculum keeps the laws: add yours, with the space of its tasks, to the list."""

import pytest

from meadow.curricula.uniform import Uniform
from meadow.testing import check_curriculum
from meadow.testing.probes import Choice

CURRICULA = [(Uniform(Choice(5)), Choice(5))]


@pytest.mark.parametrize(("curriculum", "tasks"), CURRICULA, ids=lambda x: type(x).__name__)
def test_curriculum(curriculum, tasks, key):
    check_curriculum(curriculum, tasks, key=key)
