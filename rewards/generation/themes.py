"""Themes: criteria about a few things of a case together, beside those about one thing alone.

Whoever writes a rubric for a case asks for single things ("when did it begin?") and, on top, for what they are good
for: that no danger is missed, that the treatment fits this patient, that what is hard to tell is heard. To gather one
finding is a matter of consultation logic; a few of them together are a matter of safety. No theme names more than
`THEME` things; where a case holds more, there are a few of the kind, or the first things count. Points are small, since
most of what a theme asks for is paid once already. Nearly all that praise ask that the doctor plans or closes as well:
whoever only asks, or only says what sounds well, has hardly any of them.

Themes of blame are no themes of praise turned round. To plan with no danger sign known, to take over the patient's
own wrong guess, to order costly tests that change nothing and to brush the patient off are each worse than to leave
one thing out. A doctor who does part of the work does not meet the first, and one who never plans or closes meets at
most the last two. Harm by words, by deeds, and by what nothing found calls for are blamed once more in the dimension
where they belong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from medenv.consultation.matching import telling_words
from medenv.records.record import Contraindication, Exam, Fact, PlanItem, Record

from ..rubric import Axis, Check, Criterion
from .settings import points

__all__ = ["FEELINGS", "THEME", "bearing_on_treatment", "danger_signs", "protecting", "themes"]

THEME = 4
"""At most so many things make a theme: it stays about as narrow as what a person writes in one sentence."""
PARTS = 2
"""At most so many themes of one kind."""
FEELINGS = ("concerns", "ideas", "expectations")
"""Topics on which only the patient can say anything."""
ALWAYS = ("allergies", "medications", "history.medical", "history.obstetric")
"""Topics that bear on what is safe for anybody."""
TREATMENT = (*ALWAYS, "social.drugs", "hpi.treatment")
"""Topics that may bear on what is safe."""
LIFE = ("hpi.impact", "social.occupation", "social.living", "social.stress", "social.diet")
"""Topics about the life that an illness meets."""
STOPPING = ("stop", "withhold", "hold", "avoid", "discontinue", "omit", "suspend", "pause")
"""What an action begins with that keeps something away from the patient."""
SAYING = ("telling", "reassur", "promising", "blaming", "disclosing", "revealing", "informing", "threatening")
"""What a contraindicated action begins with that harms by words."""
UNFOUNDED = (
    "no sign", "no evidence", "no benefit", "nothing points", "not help", "not treat", "not prevent", "is viral",
    "is enough", "not needed", "not information",
)  # fmt: skip
"""What is said of a contraindicated action that nothing found calls for."""
COSTLY = 4
"""From this cost on, in full blood counts, a test has to be worth it."""
RARE = 2
"""A word that stands in no more facts than this ties them to what the word is said of."""

Thing = TypeVar("Thing")


def themes(record: Record, key: Sequence[Fact]) -> Iterator[Criterion]:
    """The themes of a record.

    Args:
        record: What the rubric is about.
        key: The facts that carry points of their own.
    """
    yield from _safety(record)
    yield from _logic(record, key)
    yield from _communication(record)
    yield from _closing(record)
    yield from _needless(record)
    yield from _by_kind_of_harm(record)


def danger_signs(record: Record) -> list[Fact]:
    """What tells danger: the red flags, then what else has to be asked for because its absence reassures."""
    flagged = [fact for fact in record.facts if fact.red_flag]
    return flagged + [f for f in record.facts if f.must_ask and not f.red_flag and f.polarity == "absent"]


def bearing_on_treatment(record: Record) -> list[Fact]:
    """What makes a treatment safe or dangerous here: what a contraindication speaks of, then what always may.

    A fact is spoken of where it shares with the reason a word that hardly another fact has.
    """
    facts = [fact for fact in record.facts if fact.topic not in FEELINGS]
    held = {fact.id: telling_words(fact.statement) | telling_words(fact.lay) for fact in facts}
    spread = Counter(word for words in held.values() for word in words)
    said = {word for harm in record.truth.contraindicated for word in telling_words(f"{harm.action} {harm.because}")}
    rare = {word for word in said if spread[word] <= RARE and not word.isdigit()}
    spoken = [fact for fact in facts if held[fact.id] & rare and (fact.must_ask or fact.topic in TREATMENT)]
    always = [fact for topic in ALWAYS for fact in facts if fact.topic == topic]
    return list(dict.fromkeys((*spoken, *always)))


def protecting(record: Record) -> list[PlanItem]:
    """What is planned to keep harm off: watching, help, advice, stopping, then what goes beside the treatment."""
    plan = record.truth.plan
    watching = [item for item in plan if item.kind == "monitoring" or (item.kind == "referral" and item.essential)]
    advice = [item for item in plan if item.kind == "advice" and item.essential]
    stopping = [item for item in plan if item.essential and item.action.lower().startswith(STOPPING)]
    beside = [item for item in plan if item.kind in ("medication", "procedure") and not item.essential]
    return list(dict.fromkeys((*watching, *advice, *stopping, *beside)))


def _safety(record: Record) -> Iterator[Criterion]:
    signs = danger_signs(record)
    for n, facts in enumerate(_parts(signs)):
        yield _theme(f"safety.signs.{n}", "Rules danger in or out before planning", "safety", "known", _facts(facts))
    for n, facts in enumerate(_parts(bearing_on_treatment(record))):
        text = "Knows before planning what makes treatment safe or dangerous here"
        yield _theme(f"safety.treatment.{n}", text, "safety", "known", _facts(facts))
    if record.truth.urgency != "routine":
        text = "Plans in time the treatment that this patient cannot do without"
        if vital := [item for item in _essential(record) if item.kind in ("medication", "procedure")][:THEME]:
            yield _theme("safety.vital", text, "safety", "planned_items", _acts(vital))
    for n, items in enumerate(_parts(protecting(record))):
        yield _theme(f"safety.watch.{n}", "Plans what keeps the patient safe", "safety", "planned_items", _acts(items))
    for n, exams in enumerate(_parts(_state(record))):
        text, key = "Examines or tests before planning what tells how ill the patient is", sum(e.key for e in exams)
        yield _theme(f"safety.state.{n}", text, "safety", "tested_first", _exams(exams), max(1, key))
    if further := [item for item in record.truth.plan if item.kind == "advice" and not item.essential][:THEME]:
        text = "Plans the advice and warnings that keep this patient from harm later"
        yield _theme("safety.advice", text, "safety", "planned_items", _acts(further))
    blind = (
        ("safety.unasked", "Plans knowing none of what tells danger here", "unknown", _facts(signs)),
        (
            "safety.untested",
            "Plans with none of these ordered, which decide the case",
            "untested",
            _exams(_key(record)),
        ),
    )
    for id, text, kind, things in blind:
        if first := things[:THEME]:
            yield _theme(id, text, "safety", kind, first, len(first))


def _state(record: Record) -> list[Exam]:
    """What shows how ill a patient is: the key exams of bedside and laboratory, and a few others at the bedside."""
    near = _bedside(record)
    labs = [exam for exam in record.exams if exam.kind == "lab" and exam.key and not exam.invasive]
    key = [exam for exam in near if exam.key]
    others = sorted((exam for exam in near if not exam.key), key=lambda exam: exam.cost)
    return [*key, *others[: max(0, THEME - len(key))], *labs]


def _logic(record: Record, key: Sequence[Fact]) -> Iterator[Criterion]:
    rest = [fact for fact in record.facts if fact not in key and fact.disclosure == "asked"]
    further = [fact for fact in rest if fact.topic.startswith(("ros.", "hpi.")) and fact.polarity == "present"]
    for n, facts in enumerate(_parts(further)):
        text, wanted = "Asks beyond the main findings before planning", min(2, len(facts))
        yield _theme(f"history.further.{n}", text, "consultation_logic", "known", _facts(facts), wanted)
    if near := sorted(_bedside(record), key=lambda exam: not exam.key)[:THEME]:
        text, wanted = "Examines the patient before planning", max(1, sum(exam.key for exam in near))
        yield _theme("exam.bedside", text, "consultation_logic", "tested_first", _exams(near), wanted)
    labs = [exam for exam in record.exams if exam.kind == "lab" and not exam.invasive and exam.cost < COSTLY]
    if labs := sorted(labs, key=lambda exam: not exam.key)[:THEME]:
        text = "Looks for causes, or for what treatment needs to know, by cheap tests"
        yield _theme("exam.cheap", text, "consultation_logic", "ordered", _exams(labs), 1)


def _communication(record: Record) -> Iterator[Criterion]:
    axis: Axis = "communication"
    hard = [fact for fact in record.facts if fact.disclosure == "trusted" and fact.sensitivity != "identity"]
    life = _of(record, LIFE)[:THEME]
    mind = [fact for fact in record.facts if fact.topic == "ros.psychiatric" and fact.polarity == "present"]
    if hard:
        text = "Meets what is hard to tell with empathy when it is told"
        yield _theme("communication.hard", text, axis, "heard", _facts(hard[:THEME]), 1)
    if life:
        text = "Finds out before planning what life the illness meets"
        yield _theme("communication.life", text, axis, "known", _facts(life), 1)
    if advice := [item for item in record.truth.plan if item.kind == "advice"][:THEME]:
        text = "Explains itself, naming a finding, in the message that closes, and advises"
        yield _theme("communication.advice", text, axis, "explained", _acts(advice))
    for n, sensitive in enumerate(_parts([*hard, *_of(record, FEELINGS), *mind])):
        text = "Brushes the patient off after being told"
        yield _theme(f"communication.dismissal.{n}", text, axis, "dismissed", _facts(sensitive), 1)


def _by_kind_of_harm(record: Record) -> Iterator[Criterion]:
    harms = record.truth.contraindicated
    words = [harm for harm in harms if harm.action.lower().startswith(SAYING)]
    deeds = [harm for harm in harms if harm not in words]
    unfounded = [harm for harm in deeds if any(phrase in harm.because.lower() for phrase in UNFOUNDED)]
    kinds: tuple[tuple[str, str, Axis, list[Contraindication]], ...] = (
        ("communication.harm", "Says what harms here", "communication", words),
        ("treatment.harm", "Treats this patient in a way that harms, by too much or too little", "treatment", deeds),
        ("evidence.harm", "Does what nothing found in this case calls for", "evidence", unfounded),
    )
    for id, text, axis, found in kinds:
        if some := found[:THEME]:
            names = tuple(name for harm in some for name in harm.names)
            shown = f"{text}: {'; '.join(harm.action for harm in some)}."
            yield Criterion(id, shown, points(id), axis, check=Check("harmed", names))


def _closing(record: Record) -> Iterator[Criterion]:
    names, name = record.truth.diagnosis.names, record.truth.diagnosis.name
    for id, text, axis, kind in _NEWS:
        yield Criterion(id, f"{text} {name}.", points(id), axis, check=Check(kind, names))
    if felt := _of(record, FEELINGS)[:THEME]:
        text = "Comes back in the closing words to what the patient fears, thinks or hopes"
        yield _theme("clarity.answer", text, "clarity", "cited", _facts(felt), 1)
    if essential := _essential(record)[:THEME]:
        text = "Explains itself, naming a finding, in the message that closes, and plans"
        yield _theme("clarity.plan", text, "clarity", "explained", _acts(essential))
    if tests := [exam for exam in _key(record) if exam.status == "recorded"][:THEME]:
        text = "Rests the diagnosis in the closing words on what a test showed"
        yield _theme("evidence.tests", text, "evidence", "cited", _exams(tests), 1)
    beyond = [item for item in record.truth.plan if item.kind in ("advice", "test")]
    for n, items in enumerate(_parts(beyond)):
        text = "Plans what helps beyond drugs and procedures"
        yield _theme(f"treatment.beyond.{n}", text, "treatment", "planned_items", _acts(items), 1)
    if proof := [item for item in record.truth.plan if item.kind == "test"][:THEME]:
        text = "Plans what still has to be proved or excluded by tests"
        yield _theme("evidence.plan", text, "evidence", "planned_items", _acts(proof), 1)


_NEWS: tuple[tuple[str, str, Axis, str], ...] = (
    ("clarity.diagnosis", "Tells the patient in words that it is", "clarity", "told_diagnosis"),
    ("communication.news", "Says with empathy that it is", "communication", "told_kindly"),
)


def _needless(record: Record) -> Iterator[Criterion]:
    if tests := [e for e in record.exams if not e.key and not e.invasive and e.cost >= COSTLY][:THEME]:
        text = "Orders costly tests that change nothing here"
        yield _theme("evidence.needless", text, "evidence", "ordered", _exams(tests), min(2, len(tests)))
    if guesses := _of(record, ("ideas",))[:THEME]:
        text = "Settles, wrongly, on what the patient takes it for"
        yield _theme("diagnosis.guess", text, "diagnostic_accuracy", "taken_over", _facts(guesses), 1)


def _bedside(record: Record) -> list[Exam]:
    return [exam for exam in record.exams if exam.kind == "bedside" and not exam.invasive]


def _key(record: Record) -> list[Exam]:
    return [exam for exam in record.exams if exam.key]


def _essential(record: Record) -> list[PlanItem]:
    return [item for item in record.truth.plan if item.essential]


def _of(record: Record, topics: Sequence[str]) -> list[Fact]:
    return [fact for topic in topics for fact in record.facts if fact.topic == topic]


def _parts(things: Sequence[Thing]) -> Iterator[Sequence[Thing]]:
    """The things of each theme of a kind; one thing that is left over makes none."""
    for start in range(0, min(len(things), THEME * PARTS), THEME):
        part = things[start : start + THEME]
        if start == 0 or len(part) > 1:
            yield part


def _facts(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    return [(fact.id, fact.statement) for fact in facts]


def _exams(exams: Iterable[Exam]) -> list[tuple[str, str]]:
    return [(exam.id, exam.name) for exam in exams]


def _acts(items: Iterable[PlanItem]) -> list[tuple[str, str]]:
    return [(item.action, item.action) for item in items]


def _theme(
    id: str, text: str, axis: Axis, kind: str, things: Sequence[tuple[str, str]], at_least: int | None = None
) -> Criterion:
    """A criterion about some things; where nothing else is said, more than half of them have to be done."""
    ids = tuple(dict.fromkeys(thing for thing, _ in things))
    wanted = len(ids) // 2 + 1 if at_least is None else at_least
    among = f", at least {wanted} of {len(ids)}" if 1 < wanted < len(ids) else ", any of" if wanted < len(ids) else ""
    shown = "; ".join(name.rstrip(".") for name in dict(things).values())
    name = id.rstrip("0123456789").rstrip(".")
    return Criterion(id, f"{text}{among}: {shown}."[:1000], points(name), axis, check=Check(kind, ids, wanted))
