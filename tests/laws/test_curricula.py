"""Every curriculum keeps the laws: add yours, with the space of its tasks, to the list."""

import pytest

from meadow.curricula.accel import ACCEL
from meadow.curricula.buffer import Buffer
from meadow.curricula.ncc import NCC
from meadow.curricula.plr import PLR
from meadow.curricula.sfl import SFL
from meadow.curricula.uniform import Uniform
from meadow.tasks.box import Parameters
from meadow.testing import check_curriculum
from meadow.testing.probes import Choice

# Fewer tasks than are kept, and more than anybody could keep.
FEW, BOX = Choice(5), Parameters(names=("mass",), low=(0.0,), high=(1.0,))
CURRICULA = [
    (Uniform(FEW), FEW),
    (PLR(FEW, Buffer(6), candidates=3), FEW),
    (ACCEL(PLR(BOX, Buffer(6), candidates=3, parallel=True), parents="hard"), BOX),
    (SFL(FEW, capacity=2, candidates=3), FEW),
    (NCC(FEW, capacity=6, candidates=3, score="generalised_learnability"), FEW),
]


@pytest.mark.parametrize(("curriculum", "tasks"), CURRICULA, ids=lambda x: type(x).__name__)
def test_curriculum(curriculum, tasks, key):
    check_curriculum(curriculum, tasks, key=key)
