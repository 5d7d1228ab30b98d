"""Machine checks: each decides one criterion from the turns and the ledger, never from what the doctor claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from medenv.consultation.matching import mentions, negates, same_name, telling_words
from medenv.consultation.views import JudgeView, Turn
from medenv.errors import RubricError
from medenv.records.record import Fact
from medenv.rewards.rubric import Check

__all__ = ["check_kinds", "holds"]

CheckFunction: TypeAlias = Callable[[JudgeView, Check], bool]

_CHECKS: dict[str, CheckFunction] = {}

TOP = 3
"""How many entries of the doctor's differential count."""
PLAN_ITEMS = 10
"""How many items of the doctor's plan count; more is a criterion of its own, and listing everything is no plan."""
CLOSING_WORDS = 200
"""How much of the closing words counts as explanation."""
CLAUSE = re.compile(r"[.;!?\n]|,\s|\b(?:and|but|because|with|together|plus)\b", re.IGNORECASE)


def _check(function: CheckFunction) -> CheckFunction:
    _CHECKS[function.__name__.strip("_")] = function
    return function


def check_kinds() -> Collection[str]:
    """The kinds of check there are."""
    return _CHECKS.keys()


def holds(check: Check, view: JudgeView) -> bool:
    """Whether a check holds for an episode.

    Raises:
        RubricError: There is no check of this kind.
    """
    try:
        function = _CHECKS[check.kind]
    except KeyError:
        raise RubricError(f"expected a check of kind {', '.join(sorted(_CHECKS))}; got {check.kind!r}") from None
    return function(view, check)


def _closing(view: JudgeView) -> Turn | None:
    return view.turns[-1] if view.turns and view.turns[-1].acts.diagnoses else None


def _plan(view: JudgeView) -> Iterator[str]:
    actions = [action for turn in view.turns for action in (*turn.acts.plan, *turn.acts.referrals)]
    yield from dict.fromkeys(actions)


@_check
def _disclosed(view: JudgeView, check: Check) -> bool:
    """The patient told at least `at_least` of the facts `of`."""
    return len(view.ledger.disclosed & set(check.of)) >= check.at_least


@_check
def _asked_topic(view: JudgeView, check: Check) -> bool:
    """Questions that were taken up touched at least `at_least` of the topics `of`."""
    topics = {t for turn in view.turns for question in turn.understanding.questions for t in question.topics}
    return len(topics & set(check.of)) >= check.at_least


@_check
def _opened(view: JudgeView, check: Check) -> bool:
    """The first message invites the patient to tell the story."""
    return bool(view.turns) and any(question.kind == "open" for question in view.turns[0].understanding.questions)


@_check
def _sign(view: JudgeView, check: Check) -> bool:
    """At least `at_least` of the signs `of` were shown."""
    return len(view.ledger.signs & set(check.of)) >= check.at_least


@_check
def _ordered(view: JudgeView, check: Check) -> bool:
    """At least `at_least` of the exams `of` were ordered."""
    exams = {result.exam for turn in view.turns for result in turn.results}
    return len(exams & set(check.of)) >= check.at_least


@_check
def _orders(view: JudgeView, check: Check) -> bool:
    """At least `at_least` tests were ordered, whatever they were."""
    return sum(len(turn.acts.orders) for turn in view.turns) >= check.at_least


@_check
def _leading_diagnosis(view: JudgeView, check: Check) -> bool:
    """The first diagnosis is one of the names `of`."""
    closing = _closing(view)
    return closing is not None and same_name(closing.acts.diagnoses[0].name, check.of)


@_check
def _in_differential(view: JudgeView, check: Check) -> bool:
    """One of the first three diagnoses is one of the names `of`."""
    closing = _closing(view)
    return closing is not None and any(same_name(guess.name, check.of) for guess in closing.acts.diagnoses[:TOP])


@_check
def _diagnoses(view: JudgeView, check: Check) -> bool:
    """At least `at_least` diagnoses were named."""
    closing = _closing(view)
    return closing is not None and len(closing.acts.diagnoses) >= check.at_least


@_check
def _probabilities(view: JudgeView, check: Check) -> bool:
    """Two to five diagnoses were named, each with a probability, the likeliest first."""
    closing = _closing(view)
    if closing is None or not 2 <= len(closing.acts.diagnoses) <= 5:
        return False
    given = [guess.probability for guess in closing.acts.diagnoses]
    return all(p is not None for p in given) and given == sorted(given, key=lambda p: -(p or 0.0))


@_check
def _planned(view: JudgeView, check: Check) -> bool:
    """One of the first items of the plan, or a referral, is one of the names `of`."""
    return any(mentions(action, check.of) for action in list(_plan(view))[:PLAN_ITEMS])


@_check
def _harmed(view: JudgeView, check: Check) -> bool:
    """Any item of the plan, however far down, is one of the names `of`."""
    return any(mentions(action, check.of) for action in _plan(view))


@_check
def _plan_items(view: JudgeView, check: Check) -> bool:
    """The plan has at least `at_least` items."""
    return len(list(_plan(view))) >= check.at_least


@_check
def _cited(view: JudgeView, check: Check) -> bool:
    """The closing words name at least `at_least` findings that this consultation brought to light, of those in `of`.

    An empty `of` lets any finding count. What is in it are ids of facts and of exams.
    """
    closing = _closing(view)
    if closing is None:
        return False
    words = " ".join(closing.acts.speech.split()[:CLOSING_WORDS])
    clauses = [clause for clause in CLAUSE.split(words) if clause.strip()]
    disclosed = view.ledger.disclosed
    facts = [fact for fact in view.record.facts if fact.id in disclosed]
    found = {fact.id for fact in facts if any(_names(clause, fact) for clause in clauses)}
    results = {result.exam: result for turn in view.turns for result in turn.results if result.status == "recorded"}
    for exam in view.record.exams:
        if exam.id in results and any(mentions(clause, (exam.name, *exam.synonyms)) for clause in clauses):
            found.add(exam.id)
    return len(found & set(check.of) if check.of else found) >= check.at_least


def _names(clause: str, fact: Fact) -> bool:
    """Whether a clause says what a fact says: two of its telling words, or its only one, and no where it says no."""
    said = telling_words(clause)
    if negates(clause) != (fact.polarity == "absent"):
        return False
    return any(len(said & told) >= min(2, len(told)) > 0 for told in map(telling_words, (fact.statement, fact.lay)))


@_check
def _closed(view: JudgeView, check: Check) -> bool:
    """The last message holds a diagnosis, a plan, and some words of explanation, but no lecture."""
    closing = _closing(view)
    if closing is None or not closing.acts.plan:
        return False
    return 8 <= len(closing.acts.speech.split()) <= CLOSING_WORDS


@_check
def _repeated(view: JudgeView, check: Check) -> bool:
    """Facts that were already told were asked for again, in at least `at_least` turns."""
    return sum(bool(entry.repeated) for entry in view.ledger) >= check.at_least


@_check
def _unheard(view: JudgeView, check: Check) -> bool:
    """At least `at_least` questions went beyond what the patient could follow."""
    return view.ledger.totals()["unheard"] >= check.at_least


@_check
def _fished(view: JudgeView, check: Check) -> bool:
    """The doctor tried at least `at_least` times to get the answer instead of the history."""
    return view.ledger.totals()["fishing"] >= check.at_least


@_check
def _undecided(view: JudgeView, check: Check) -> bool:
    """The turns ran out, or the patient left, without a diagnosis."""
    return view.ending not in (None, "diagnosis")
