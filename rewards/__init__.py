"""Rewards: rubrics over a consultation, the judges that decide their criteria, and the score that adds up exactly.

`record_rubric` makes criteria from a record, a `Judge` gives one verdict a criterion, and `score` turns the verdicts
into a reward that equals the sum of its lines. A judge that fails makes an episode invalid, never a low score.
"""

from medenv.rewards.checks import check_kinds, holds
from medenv.rewards.generation import (
    ExpertRubrics,
    RubricGenerator,
    RubricSource,
    Slice,
    record_rubric,
    rubrics,
    score_response,
    slices,
)
from medenv.rewards.judging import (
    HybridJudge,
    Judge,
    LanguageModelJudge,
    PanelJudge,
    RememberedJudge,
    RuleJudge,
    judges,
)
from medenv.rewards.length import LengthReward, length_rewards
from medenv.rewards.metrics import coverage, metrics
from medenv.rewards.patient import PatientScore, score_patient
from medenv.rewards.rubric import AXES, Axis, Check, Criterion, Rubric, rubric_from_dict, rubric_to_dict
from medenv.rewards.scoring import Adjustment, Line, Normalisation, Score, Scoring, Verdict, load_scoring, score

__all__ = [
    "AXES",
    "Adjustment",
    "Axis",
    "Check",
    "Criterion",
    "ExpertRubrics",
    "HybridJudge",
    "Judge",
    "LanguageModelJudge",
    "LengthReward",
    "Line",
    "Normalisation",
    "PanelJudge",
    "PatientScore",
    "RememberedJudge",
    "Rubric",
    "RubricGenerator",
    "RubricSource",
    "RuleJudge",
    "Score",
    "Scoring",
    "Slice",
    "Verdict",
    "check_kinds",
    "coverage",
    "holds",
    "judges",
    "length_rewards",
    "load_scoring",
    "metrics",
    "record_rubric",
    "rubric_from_dict",
    "rubric_to_dict",
    "rubrics",
    "score",
    "score_patient",
    "score_response",
    "slices",
]
