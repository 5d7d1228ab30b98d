"""Rollouts: many episodes at once, on disk if wanted, and what they come to."""

from medenv.rollout.engine import Doctor, TaskOptions, arollout, collect, rollout
from medenv.rollout.evaluation import Evaluation, RewardSummary, evaluate, summarise
from medenv.rollout.plan import Planned, make_plan
from medenv.rollout.storage import Run, TrajectoryFile, read_run
from medenv.rollout.trajectory import Trajectory

__all__ = [
    "Doctor",
    "Evaluation",
    "Planned",
    "RewardSummary",
    "Run",
    "TaskOptions",
    "Trajectory",
    "TrajectoryFile",
    "arollout",
    "collect",
    "evaluate",
    "make_plan",
    "read_run",
    "rollout",
    "summarise",
]
