"""Judge quality assurance: how far a judge can be relied on, measured on labelled verdicts.

`check_judge_quality` asks a judge about consultations whose criteria are labelled, again, in other orders, with longer
messages and with words that try to talk it round, and reports what changed. A result can be pinned and compared with.

Consultations, criteria and labels were written for this package by one team of authors. No clinician has reviewed
them: they tell judges apart, and are no measure of medical truth.
"""

from .bounds import Bounds, default_bounds
from .checking import Reseedable, check_judge_quality
from .estimates import Estimate
from .labels import TRAPS, Label, LabelledConsultation, LabelledSet, load_labels
from .pinning import Drift, Pin, drift, read_pin, write_pin
from .replaying import replay
from .report import Breach, JudgeReport

__all__ = [
    "TRAPS",
    "Bounds",
    "Breach",
    "Drift",
    "Estimate",
    "JudgeReport",
    "Label",
    "LabelledConsultation",
    "LabelledSet",
    "Pin",
    "Reseedable",
    "check_judge_quality",
    "default_bounds",
    "drift",
    "load_labels",
    "read_pin",
    "replay",
    "write_pin",
]
