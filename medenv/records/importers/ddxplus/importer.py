"""DDXPlus: synthesised patients as codes, one a row of a table, which become facts in the speaker's own words.

The codes are explained by `release_evidences.json` and `release_conditions.json` in the same folder. The data set is
closed: what is not listed for a patient is not there. So the evidences of the diagnosis and of the others in the
differential that a patient has not, the likeliest first, become facts that are absent, up to `MOST_ABSENT` of them.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from medenv.errors import RecordError
from medenv.records.deidentify import OLDEST, find_identifiers
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.ddxplus.codes import CONDITIONS, EVIDENCES, CodeBook, Condition, Evidence, code_book
from medenv.records.importers.ddxplus.wording import Sex, search_words, tell
from medenv.records.importers.exams import exams_from
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.rules import Json
from medenv.records.leaks import find_leaks
from medenv.records.record import Age, Demographics, Diagnosis, Exam, Fact, Hypothesis, Provenance, Record, Split, Truth

__all__ = ["DDXPLUS"]

COLUMNS = ("AGE", "DIFFERENTIAL_DIAGNOSIS", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE")
CAREGIVER_BELOW_YEARS = 12
MOST_FACTS = 200
MOST_ABSENT = 20
MOST_MUST_ASK, FEWEST_MUST_ASK = 9, 5
MOST_HYPOTHESES = 200
MOST_UNMAPPED = 200
ROUNDING = 1e-3
"""By how much the probabilities of a differential may miss 1; above 1 they are scaled down."""
LONGEST_LIST = 2**20
"""In characters, of a list in a cell."""
OLDEST_READ = 130
NOTES = (
    "the differential and its probabilities are those of the source; a diagnosis that it leaves out is added at 0",
    f"up to {MOST_ABSENT} facts of a record are absent because the data set is closed: what a patient is not said to "
    "have, the patient has not",
    "an evidence that joins two questions by 'or' is told as both: the source does not say which of them holds",
    "the source gives no examinations, no plan, no contraindications and no department",
    "patients are synthesised",
)

Answers: TypeAlias = Mapping[Evidence, tuple[str, ...]]
"""What a patient has, with the values of each."""

_seen: WeakKeyDictionary[Tally, set[str]] = WeakKeyDictionary()
"""The ids of each import: a million made-up patients hold some twice."""


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    book = code_book(row.path.parent)
    record = _record(row, book, tally)
    if record is None:
        return tally.drop_row("nothing that the patient could tell without naming the diagnosis")
    seen = _seen.setdefault(tally, set())
    if record.id in seen:
        return tally.drop_row("the same patient as in another row")
    seen.add(record.id)
    return (record,)


DDXPLUS = Importer(
    recognises=lambda data: set(COLUMNS) - {"DIFFERENTIAL_DIAGNOSIS"} <= set(data),
    read=_read,
    notes=NOTES,
    suffixes=(".csv", ".jsonl", ".json"),
    companions=frozenset((EVIDENCES, CONDITIONS)),
)
"""The importer of DDXPlus's tables of patients."""


def _record(row: Row, book: CodeBook, tally: Tally) -> Record | None:
    data = row.data
    condition = book.conditions.get(_text(data, "PATHOLOGY"))
    if condition is None:
        raise RecordError(f"field $.PATHOLOGY: expected a condition of {CONDITIONS}, got {data['PATHOLOGY']!r:.60}")
    tally.unmapped_keys.update(key for key in data if key not in COLUMNS)
    differential = _differential(data, condition, book, tally)
    patient = _Patient(_demographics(data, tally), condition, book, tally)
    facts = patient.facts(_answers(data, book, tally), differential)
    if not facts:
        return None
    return Record(
        id=_id(data),
        demographics=patient.demographics,
        chief_complaint=patient.complaint(facts),
        facts=facts,
        exams=_exams(condition.diagnosis),
        truth=Truth(
            diagnosis=condition.diagnosis,
            differential=differential,
            urgency=condition.urgency,
        ),
        provenance=Provenance("DDXPlus", "CC-BY-4.0", synthetic=True, split=_split(row.path.stem)),
        speaker="caregiver" if patient.child else "self",
    )


def _id(data: Json) -> str:
    """Made of the content, and longer than usual: the data set has more than a million rows."""
    content = json.dumps([data.get(key) for key in COLUMNS], sort_keys=True, ensure_ascii=False)
    return f"ddxplus-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=16)
def _split(stem: str) -> Split | None:
    splits: Mapping[str, Split] = {"train": "train", "valid": "validation", "dev": "validation", "test": "test"}
    m = re.search("|".join(splits), stem.lower())
    return splits[m.group()] if m else None


@lru_cache(maxsize=512)
def _exams(diagnosis: Diagnosis) -> tuple[Exam, ...]:
    made = exams_from((), Firewall(diagnosis, Tally()))
    return tuple(_exam(exam) for exam in made)


def _exam(made: dict[str, Any]) -> Exam:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in made.items()}
    return Exam(**fields)


# Cells


def _text(data: Json, key: str) -> str:
    if not isinstance(value := data.get(key), str) or not value.strip():
        got = "an empty one" if isinstance(value, str) else type(value).__name__
        raise RecordError(f"field $.{key}: expected a text, got {got}")
    return value.strip()


def _demographics(data: Json, tally: Tally) -> Demographics:
    value = data.get("AGE")
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or int(text) > OLDEST_READ:
        raise RecordError(f"field $.AGE: expected whole years from 0 to {OLDEST_READ}, got {value!r:.40}")
    years = int(text)
    if years > OLDEST:
        years = OLDEST
        tally.counts["ages_capped"] += 1
    sexes: Mapping[str, Sex] = {"f": "female", "female": "female", "m": "male", "male": "male"}
    sex = sexes.get(_text(data, "SEX").casefold())
    if sex is None:
        raise RecordError(f"field $.SEX: expected 'F' or 'M', got {data['SEX']!r:.40}")
    return Demographics(Age(years), sex)


def _list(data: Json, key: str) -> list[Any]:
    """The list under a key: as it is, or written in a cell as Python or JSON writes it."""
    value = data.get(key)
    if isinstance(value, str):
        if len(value) > LONGEST_LIST:
            raise RecordError(f"field $.{key}: expected at most {LONGEST_LIST:,} characters, got {len(value):,}")
        try:
            value = json.loads(value) if '"' in value and "'" not in value else _literal(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise RecordError(f"field $.{key}: expected a list such as ['E_1', 'E_2_@_3'], got {value!r:.60}") from None
    if not isinstance(value, list):
        raise RecordError(f"field $.{key}: expected a list, got {type(value).__name__}")
    return value


def _literal(text: str) -> Any:
    if "\\" in text:  # none in the data set; an unknown escape would be a warning of the parser
        raise ValueError
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ast.literal_eval(text.strip())


def _differential(data: Json, condition: Condition, book: CodeBook, tally: Tally) -> tuple[Hypothesis, ...]:
    """The diagnoses that were considered, with their probabilities; the right one is always among them."""
    entries = _list(data, "DIFFERENTIAL_DIAGNOSIS") if data.get("DIFFERENTIAL_DIAGNOSIS") not in (None, "") else []
    if len(entries) > MOST_HYPOTHESES:
        raise RecordError(
            f"field $.DIFFERENTIAL_DIAGNOSIS: expected at most {MOST_HYPOTHESES} diagnoses, got {len(entries):,}"
        )
    found: dict[str, Hypothesis] = {}
    for place, entry in enumerate(entries):
        where = f"field $.DIFFERENTIAL_DIAGNOSIS[{place}]"
        if not isinstance(entry, (list, tuple)) or len(entry) != 2 or not isinstance(entry[0], str):
            raise RecordError(f"{where}: expected a name and a probability, got {entry!r:.60}")
        name, probability = entry[0].strip(), entry[1]
        if not isinstance(probability, (int, float)) or isinstance(probability, bool) or not 0 <= probability <= 1:
            raise RecordError(f"{where}: expected a probability from 0 to 1, got {probability!r:.40}")
        if not 0 < len(name) <= 200:
            raise RecordError(f"{where}: expected a name of 1 to 200 characters, got one of {len(name)}")
        known = book.conditions.get(name)
        diagnosis = known.diagnosis if known else Diagnosis(name)
        if diagnosis.name in found:
            raise RecordError(f"{where}: expected each diagnosis once, got {name!r:.60} again")
        found[diagnosis.name] = Hypothesis(diagnosis.name, probability, diagnosis.synonyms)
    if (total := sum(hypothesis.probability for hypothesis in found.values())) > 1 + ROUNDING:
        raise RecordError(f"field $.DIFFERENTIAL_DIAGNOSIS: expected probabilities up to 1 in all, got {total:g}")
    if total > 1 + 1e-9:
        tally.unmapped_keys["DIFFERENTIAL_DIAGNOSIS above 1 in all"] += 1
        found = {n: dataclasses.replace(h, probability=h.probability / total) for n, h in found.items()}
    truth = condition.diagnosis
    if truth.name not in found:
        tally.unmapped_keys["DIFFERENTIAL_DIAGNOSIS without PATHOLOGY"] += 1
        found[truth.name] = Hypothesis(truth.name, 0.0 if found else 1.0, truth.synonyms)
    return tuple(found.values())


def _answers(data: Json, book: CodeBook, tally: Tally) -> Answers:
    """What a patient has, the evidence that was told first before the others, with the values of each."""
    listed: list[str] = []
    for place, item in enumerate(_list(data, "EVIDENCES")):
        if not isinstance(item, str):
            raise RecordError(f"field $.EVIDENCES[{place}]: expected a text, got {type(item).__name__}")
        listed.append(item)
    first = _text(data, "INITIAL_EVIDENCE")
    if first not in listed and first in book.evidences:
        listed.append(first)
    found: dict[Evidence, dict[str, None]] = {}
    for item in sorted(listed, key=lambda item: item.split("_@_")[0] != first.split("_@_")[0]):
        code, _, value = item.partition("_@_")
        evidence = book.evidences.get(code)
        if evidence is None:
            known = len(tally.unmapped_keys) < MOST_UNMAPPED
            tally.unmapped_keys[f"EVIDENCES.{code[:40]}" if known else "EVIDENCES, others"] += 1
            continue
        found.setdefault(evidence, {}).update({evidence.values.get(value, value): None} if value else {})
    return {evidence: tuple(values) for evidence, values in found.items()}


# Facts


class _Patient:
    """One patient of the data set in the making."""

    def __init__(self, demographics: Demographics, condition: Condition, book: CodeBook, tally: Tally) -> None:
        self.demographics = demographics
        self.sex: Sex = "female" if demographics.sex == "female" else "male"
        self.child = demographics.age.years < CAREGIVER_BELOW_YEARS
        self.condition = condition
        self.book = book
        self.tally = tally

    def facts(self, answers: Answers, differential: Iterable[Hypothesis]) -> tuple[Fact, ...]:
        """What the patient has, then what the patient has not; nothing where there is nothing to volunteer."""
        codes = {evidence.code for evidence in answers}
        told: dict[Evidence, Fact] = {}
        for evidence, values in answers.items():
            if self._said_in_full(evidence, answers):
                self.tally.counts["facts_merged"] += 1
            elif reason := self._odd(evidence, values, codes):
                self._drop(reason)
            elif isinstance(fact := self._fact(evidence, values, present=True), str):
                self._drop(fact)
            elif len(told) == MOST_FACTS - MOST_ABSENT:
                self._drop(f"beyond the first {MOST_FACTS - MOST_ABSENT}")
            else:
                told[evidence] = fact
        there = {evidence: fact for evidence, fact in told.items() if fact.polarity == "present"}
        if not there:
            return ()
        opening = self._opening(next(iter(answers)), there)
        absent = list(self._absent(answers, differential, codes))
        asked = self._must_ask(there, absent)
        made = [fact for evidence, fact in told.items() if evidence is not opening]
        facts = [dataclasses.replace(there[opening], disclosure="volunteered"), *made, *absent]
        return tuple(dataclasses.replace(f, must_ask=True) if f.id in asked else f for f in facts)

    def _opening(self, first: Evidence, there: Mapping[Evidence, Fact]) -> Evidence:
        """What the patient begins with: what was told first, or what says it in full, or else the first symptom."""
        if first in there:
            return first
        symptoms = [evidence for evidence in there if not evidence.antecedent] or list(there)
        return next((e for e in symptoms if e.parent == first.code and "where" in e.kinds), symptoms[0])

    def complaint(self, facts: tuple[Fact, ...]) -> str:
        """The opening words of the speaker."""
        greeting = "Hello, doctor. "
        if self.child:
            greeting += f"It's about my {'daughter' if self.sex == 'female' else 'son'}. "
        return (greeting + facts[0].lay)[:600]

    def _fact(self, evidence: Evidence, values: tuple[str, ...], present: bool) -> Fact | str:
        return _fact(evidence, values, present, self.child, self.sex, self.condition)

    def _said_in_full(self, evidence: Evidence, answers: Answers) -> bool:
        """Whether another says more of the same: "pain somewhere" beside where it hurts."""
        return "vague" in evidence.kinds and any(e.parent == evidence.code and "where" in e.kinds for e in answers)

    def _odd(self, evidence: Evidence, values: tuple[str, ...], codes: set[str]) -> str:
        """Why an evidence makes no fact, whatever it says."""
        if evidence.parent not in (evidence.code, *codes) and evidence.parent in self.book.evidences:
            return "a question about what the patient has not"
        if evidence.binary and values:
            return "a value that the evidence cannot have"
        return "" if evidence.binary or values else "an evidence without its value"

    def _drop(self, reason: str) -> None:
        self.tally.facts_dropped[reason] += 1
        if reason == "names the diagnosis":
            self.tally.leaks["fact: dropped"] += 1

    def _absent(self, answers: Answers, differential: Iterable[Hypothesis], codes: set[str]) -> Iterator[Fact]:
        """What the diagnosis and its rivals would bring and this patient has not."""
        likely = sorted(differential, key=lambda hypothesis: -hypothesis.probability)
        rivals = [rival for h in likely if (rival := self.book.by_diagnosis.get(h.name))]
        wanted = dict.fromkeys(code for condition in (self.condition, *rivals) for code in condition.evidences)
        had = frozenset().union(*(evidence.alike for evidence in answers))
        left = MOST_ABSENT
        for evidence in (self.book.evidences[code] for code in wanted if code not in codes):
            plain = evidence.binary and evidence.parent == evidence.code and not evidence.alike & had
            if not plain or self._strange_to_deny(evidence):
                continue
            fact = self._fact(evidence, (), present=False)
            if isinstance(fact, Fact):
                yield fact
                left -= 1
            if not left:
                return

    def _strange_to_deny(self, evidence: Evidence) -> bool:
        """Whether nobody would ask this patient: a man for a pregnancy, a child for drink."""
        kinds = evidence.kinds
        return ("women_only" in kinds and (self.child or self.sex == "male")) or ("adults_only" in kinds and self.child)

    def _must_ask(self, there: Mapping[Evidence, Fact], absent: list[Fact]) -> set[str]:
        """The symptoms, then what of the past belongs to the diagnosis, then what it lacks, until there are enough."""
        symptoms = [f.id for e, f in sorted(there.items(), key=lambda pair: pair[0].most) if not e.antecedent]
        past = [f.id for e, f in there.items() if e.antecedent and e.code in self.condition.evidences]
        asked = [*symptoms, *past][:MOST_MUST_ASK]
        return set([*asked, *(fact.id for fact in absent)][: max(len(asked), FEWEST_MUST_ASK)])


@lru_cache(maxsize=1 << 16)
def _fact(
    evidence: Evidence, values: tuple[str, ...], present: bool, child: bool, sex: Sex, condition: Condition
) -> Fact | str:
    """The fact that an evidence makes, or why it makes none; the same for all patients alike."""
    told = tell(evidence.question, values, evidence.most, present, "caregiver" if child else "self", sex)
    if told is None:
        return "says nothing"
    diagnosis, texts = condition.diagnosis, (told.statement, told.lay)
    if any(find_leaks(text, diagnosis) for text in texts):
        return "names the diagnosis"
    if any(find_identifiers(text) for text in texts):
        return "holds an identifier"
    there = told.polarity == "present"
    words = [w for w in search_words(evidence.question) if not find_leaks(w, diagnosis) and not find_identifiers(w)]
    return Fact(
        id=evidence.id,
        topic=evidence.topic,
        statement=told.statement[:1000],
        lay=told.lay[:1000],
        synonyms=tuple(words),
        polarity=told.polarity,
        sensitivity="private" if there and "private" in evidence.kinds else "ordinary",
        disclosure="trusted" if there and "trusted" in evidence.kinds else "asked",
        red_flag=there and "red_flags" in evidence.kinds,
    )
