"""HealthBench: its files are read, any doctor or model responds, and the numbers are those of openai/simple-evals.

The data itself is not part of medenv. `medenv healthbench FILE` runs it from the command line.
"""

from medenv.rewards.healthbench.files import Completions, Example, RubricItem, draw, load_examples, part_of
from medenv.rewards.healthbench.grading import Metric, aggregate, example_metrics, example_score, worst_at_k
from medenv.rewards.healthbench.report import Report, summarise
from medenv.rewards.healthbench.responding import (
    CompletionResponder,
    DoctorResponder,
    ModelResponder,
    Responder,
    make_responder,
)
from medenv.rewards.healthbench.results import Result
from medenv.rewards.healthbench.running import ResponseJudge, arun_healthbench, run_healthbench

__all__ = [
    "CompletionResponder",
    "Completions",
    "DoctorResponder",
    "Example",
    "Metric",
    "ModelResponder",
    "Report",
    "Responder",
    "ResponseJudge",
    "Result",
    "RubricItem",
    "aggregate",
    "arun_healthbench",
    "draw",
    "example_metrics",
    "example_score",
    "load_examples",
    "make_responder",
    "part_of",
    "run_healthbench",
    "summarise",
    "worst_at_k",
]
