"""Critics: how what was lived went, by what critics say of it: for SAC, TD3, D4PG, CRR and MPO."""

from meadow.core.report import Report
from meadow.core.trajectory import Trajectory
from meadow.nn.critic import Critics
from meadow.nn.worth import AbstractWorth
from meadow.scores import one_step_report


def critics_report(
    critics: Critics, worth: AbstractWorth, trajectory: Trajectory, gamma: float
) -> Report:
    """How each column went, by the mean of what critics say now of what was done.

    Args:
        gamma: the learner's discount.
    """
    told = critics(trajectory.timestep.observation, trajectory.action)
    return one_step_report(trajectory, worth.mean(told).mean(axis=0), gamma)
