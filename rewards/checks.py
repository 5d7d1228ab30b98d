"""Machine checks: each decides one criterion from the turns and the ledger, never from what the doctor claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeAlias

from medenv.consultation.matching import mentions, same_name
from medenv.consultation.views import JudgeView, Turn
from medenv.errors import RubricError
from medenv.records.record import PlanItem, Record
from medenv.rewards.actions import actions
from medenv.rewards.citing import CLAUSE, cited
from medenv.rewards.rubric import Check

__all__ = ["check_kinds", "holds", "plan_names"]

CheckFunction: TypeAlias = Callable[[JudgeView, Check], bool]

_CHECKS: dict[str, CheckFunction] = {}

TOP = 3
"""How many entries of the doctor's differential count."""
PLAN_ACTIONS = 10
"""How many actions of the doctor's plan count; more is a criterion of its own, and listing everything is no plan."""
CLOSING_WORDS = 200
"""How much of the closing words counts as explanation."""
KEY = "key"
"""What stands for the key findings of any case: the facts that must be asked for, the danger signs, the key exams."""
SENTENCE = re.compile(r"[.;:!?\n]")


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


def plan_names(record: Record, item: PlanItem) -> tuple[str, ...]:
    """Every name by which a doctor may plan an item: a referral also goes by the department."""
    department = (record.truth.department,) if item.kind == "referral" and record.truth.department else ()
    return (*item.names, *department)


def _closing(view: JudgeView) -> Turn | None:
    return view.turns[-1] if view.turns and view.turns[-1].acts.diagnoses else None


def _plan(view: JudgeView) -> Iterator[str]:
    items = [item for turn in view.turns for item in (*turn.acts.plan, *turn.acts.referrals)]
    yield from dict.fromkeys(items)


def _counts(view: JudgeView) -> Iterator[tuple[str, int]]:
    """The items of the plan, each with the actions it counts for; where the patient is sent first is no action."""
    first = next((place for turn in view.turns for place in turn.acts.referrals), None)
    for item in _plan(view):
        counted = actions(item, view.record.truth)
        yield item, counted - (item == first)


def _first_of_plan(view: JudgeView) -> Iterator[str]:
    """The items of the plan that lie within the limit, up to the one that would exceed it."""
    total = 0
    for item, count in _counts(view):
        total += count
        if total > PLAN_ACTIONS:
            return
        yield item


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
    """Two to five diagnoses were named, each with a probability, the likeliest first.

    Where `of` is "key", at least `at_least` key findings of the case had to come to light before.
    """
    closing = _closing(view)
    if closing is None or not 2 <= len(closing.acts.diagnoses) <= 5 or not _grounded(view, check):
        return False
    given = [guess.probability for guess in closing.acts.diagnoses]
    return all(p is not None for p in given) and given == sorted(given, key=lambda p: -(p or 0.0))


@_check
def _planned(view: JudgeView, check: Check) -> bool:
    """One of the first items of the plan, or a referral, is one of the names `of`."""
    return any(mentions(item, check.of) for item in _first_of_plan(view))


@_check
def _harmed(view: JudgeView, check: Check) -> bool:
    """Any item of the plan, however far down, is one of the names `of`."""
    return any(mentions(item, check.of) for item in _plan(view))


@_check
def _plan_items(view: JudgeView, check: Check) -> bool:
    """The plan has at least `at_least` actions, however few items they are written as."""
    return sum(count for _, count in _counts(view)) >= check.at_least


@_check
def _cited(view: JudgeView, check: Check) -> bool:
    """The closing words name at least `at_least` findings that this consultation brought to light, of those in `of`.

    An empty `of` lets any finding count. What is in it are ids of facts and of exams. To name a test is not to name
    what it showed.
    """
    closing = _closing(view)
    if closing is None:
        return False
    words = " ".join(closing.acts.speech.split()[:CLOSING_WORDS])
    results = {result.exam for turn in view.turns for result in turn.results if result.status == "recorded"}
    return cited(words, view.record, {*view.ledger.disclosed, *filter(None, results)}, check.of) >= check.at_least


@_check
def _closed(view: JudgeView, check: Check) -> bool:
    """The last message holds a diagnosis, a plan, and some words of explanation, but no lecture.

    Where `of` is "key", at least `at_least` key findings of the case had to come to light before.
    """
    closing = _closing(view)
    if closing is None or not closing.acts.plan or not _grounded(view, check):
        return False
    return 8 <= len(closing.acts.speech.split()) <= CLOSING_WORDS


def _grounded(view: JudgeView, check: Check) -> bool:
    if KEY not in check.of:
        return True
    facts = {fact.id for fact in view.record.facts if fact.must_ask or fact.red_flag}
    exams = {exam.id for exam in view.record.exams if exam.key}
    before = view.turns[:-1]
    found = (facts & _told(before)) | (exams & _tested(before))
    return len(found) >= min(check.at_least, len(facts | exams))


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


def _items(view: JudgeView, check: Check) -> set[str]:
    """The actions of `of` that the record plans and that the doctor plans too."""
    wanted = [item for item in view.record.truth.plan if item.action in check.of]
    return {item.action for item in wanted if _planned(view, Check("planned", plan_names(view.record, item)))}


@_check
def _planned_items(view: JudgeView, check: Check) -> bool:
    """At least `at_least` of the record's plan items `of` are planned, under whatever name."""
    return len(_items(view, check)) >= check.at_least


@_check
def _checked_back(view: JudgeView, check: Check) -> bool:
    """The closing message asks what the patient has understood or wants to ask, and names a finding."""
    closing = _closing(view)
    return closing is not None and "teach_back" in closing.entry.signs and _cited(view, Check("cited"))


@_check
def _explained(view: JudgeView, check: Check) -> bool:
    """The closing message explains itself, names a finding, and `at_least` of the plan items `of` are planned."""
    closing = _closing(view)
    if closing is None or "explanation" not in closing.entry.signs:
        return False
    return _cited(view, Check("cited")) and _planned_items(view, check)


@_check
def _told_diagnosis(view: JudgeView, check: Check) -> bool:
    """The closing words name the leading diagnosis, and it is one of the names `of`."""
    closing = _closing(view)
    if closing is None or not same_name(closing.acts.diagnoses[0].name, check.of):
        return False
    said = closing.acts.speech
    return any(mentions(part, check.of) for part in (*CLAUSE.split(said), *SENTENCE.split(said)))


@_check
def _told_kindly(view: JudgeView, check: Check) -> bool:
    """The closing words name the leading diagnosis, one of the names `of`, in a message that shows empathy."""
    return _told_diagnosis(view, check) and "empathy" in view.turns[-1].entry.signs


def _before_plan(view: JudgeView) -> Sequence[Turn] | None:
    """The turns before the message that first held a plan; none where nothing was planned."""
    return next((view.turns[:at] for at, turn in enumerate(view.turns) if turn.acts.plan or turn.acts.referrals), None)


def _told(turns: Sequence[Turn]) -> set[str]:
    return {fact for turn in turns for fact in turn.entry.disclosed}


def _tested(turns: Sequence[Turn]) -> set[str]:
    return {result.exam for turn in turns for result in turn.results if result.exam}


@_check
def _known(view: JudgeView, check: Check) -> bool:
    """Something was planned, and at least `at_least` of the facts `of` had been told before."""
    before = _before_plan(view)
    return before is not None and len(_told(before) & set(check.of)) >= check.at_least


@_check
def _unknown(view: JudgeView, check: Check) -> bool:
    """Something was planned, and at least `at_least` of the facts `of` had not been told before."""
    before = _before_plan(view)
    return before is not None and len(set(check.of) - _told(before)) >= check.at_least


@_check
def _tested_first(view: JudgeView, check: Check) -> bool:
    """Something was planned, and at least `at_least` of the exams `of` had been ordered before."""
    before = _before_plan(view)
    return before is not None and len(_tested(before) & set(check.of)) >= check.at_least


@_check
def _untested(view: JudgeView, check: Check) -> bool:
    """Something was planned, and at least `at_least` of the exams `of` had not been ordered before."""
    before = _before_plan(view)
    return before is not None and len(set(check.of) - _tested(before)) >= check.at_least


@_check
def _heard(view: JudgeView, check: Check) -> bool:
    """At least `at_least` of the facts `of` were told to a message that shows empathy, or were answered by one."""
    heard: set[str] = set()
    for at, turn in enumerate(view.turns):
        if any("empathy" in near.entry.signs for near in view.turns[at : at + 2]):
            heard.update(turn.entry.disclosed)
    return len(heard & set(check.of)) >= check.at_least


@_check
def _dismissed(view: JudgeView, check: Check) -> bool:
    """A message brushes the patient off after at least `at_least` of the facts `of` were told."""
    told: set[str] = set()
    for turn in view.turns:
        if "dismissal" in turn.entry.signs and len(told & set(check.of)) >= check.at_least:
            return True
        told.update(turn.entry.disclosed)
    return False


@_check
def _taken_over(view: JudgeView, check: Check) -> bool:
    """The first diagnosis is wrong, and is what the patient guessed in one of the facts `of`."""
    closing = _closing(view)
    if closing is None:
        return False
    name = closing.acts.diagnoses[0].name
    guesses = [fact.statement for fact in view.record.facts if fact.id in check.of]
    return not same_name(name, view.record.truth.diagnosis.names) and any(mentions(said, (name,)) for said in guesses)
