"""The examiner: laws for every noun, and probe environments of rising difficulty.

>>> import jax.random as jr
>>> from meadow.testing import check_environment
>>> from meadow.testing.probes import Choice, TMaze
>>> check_environment(TMaze(length=3), Choice(2), key=jr.key(0))
"""

from meadow.testing.laws.agent import check_agent as check_agent
from meadow.testing.laws.curriculum import check_curriculum as check_curriculum
from meadow.testing.laws.environment import check_environment as check_environment
from meadow.testing.laws.learner import check_learner as check_learner
from meadow.testing.laws.store import check_store as check_store
from meadow.testing.laws.task_space import check_task_space as check_task_space
