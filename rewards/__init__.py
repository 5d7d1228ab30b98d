"""Rewards: rubrics over a consultation, the judges that decide their criteria, and the score that adds up exactly.

`record_rubric` makes criteria from a record, a `Judge` gives one verdict a criterion, and `score` turns the verdicts
into a reward that equals the sum of its lines. A judge that fails makes an episode invalid, never a low score.
"""

from medenv.rewards.checks import check_kinds, holds
from medenv.rewards.generation import RubricSource, record_rubric, rubrics
from medenv.rewards.judging import Judge, RuleJudge, judges
from medenv.rewards.patient import PatientScore, score_patient
from medenv.rewards.rubric import AXES, Axis, Check, Criterion, Rubric, rubric_from_dict, rubric_to_dict
from medenv.rewards.scoring import Adjustment, Line, Normalisation, Score, Verdict, score

__all__ = [
    "AXES",
    "Adjustment",
    "Axis",
    "Check",
    "Criterion",
    "Judge",
    "Line",
    "Normalisation",
    "PatientScore",
    "Rubric",
    "RubricSource",
    "RuleJudge",
    "Score",
    "Verdict",
    "check_kinds",
    "holds",
    "judges",
    "record_rubric",
    "rubric_from_dict",
    "rubric_to_dict",
    "rubrics",
    "score",
    "score_patient",
]
