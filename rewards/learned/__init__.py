"""A learned judge, after MR-RML: a rubric reward model that is trained from what other judges decided.

One small head for each graded dimension stands over a text encoder. It reads the conversation and a criterion, and
gives a calibrated probability that the criterion is met. It needs the extra `train`, and costs no request; how far it
can be trusted on what it was not trained on is what `calibration.py` shows.

Words can move it. Rollouts of cheats among those that it learns from (`medenv.testing.cheats`) stop injections, but a
doctor who recites the criteria still gains; `benchmarks/reward_model.py` says how much.
"""

from .calibration import BaseRates, Calibration, calibration
from .encoder import Encoder, HashedEncoder, TransformersEncoder
from .examples import Example, examples_of, part_of
from .judge import LearnedJudge
from .model import RewardModel
from .training import RewardModelConfig, Trained, train

__all__ = [
    "BaseRates",
    "Calibration",
    "Encoder",
    "Example",
    "HashedEncoder",
    "LearnedJudge",
    "RewardModel",
    "RewardModelConfig",
    "Trained",
    "TransformersEncoder",
    "calibration",
    "examples_of",
    "part_of",
    "train",
]
