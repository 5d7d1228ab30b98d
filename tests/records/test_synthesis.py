"""Drawing records, and the posterior that is computed with the numbers they were drawn by."""

import dataclasses
import itertools
import json
import math
import os
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.errors import RecordError, UnknownIdError
from medenv.records import synthesis
from medenv.records.knowledge_base import Condition, KnowledgeBase, Stratum, load_knowledge
from medenv.records.leaks import leaks_in_record
from medenv.records.record import Record, record_from_dict, record_to_dict
from medenv.records.synthesis import Evidence, evidence_in, posterior, synthesise

KNOWLEDGE = load_knowledge()
BY_NAME = {condition.diagnosis.name: condition for condition in KNOWLEDGE.conditions.values()}


@cache
def drawn() -> list[Record]:
    """The records that many tests look at; the draw is fixed."""
    return synthesise(2000, 17)


def truth_of(record: Record) -> Condition:
    return BY_NAME[record.truth.diagnosis.name]


def band_of(record: Record) -> str:
    years = record.demographics.age.value
    return next(b.id for b in KNOWLEDGE.bands.values() if b.first <= years <= b.last)


def stratum_of(record: Record) -> Stratum:
    complaint = evidence_in(record).complaint
    assert complaint is not None
    assert record.demographics.sex in ("female", "male")
    return Stratum(band_of(record), record.demographics.sex, complaint)  # type: ignore[arg-type]


def bytes_of(records: Sequence[Record]) -> bytes:
    return "\n".join(json.dumps(record_to_dict(record), sort_keys=True) for record in records).encode()


# --- what the numbers say, written a second time and as plainly as possible -----------------------------------------


def chance(condition: Condition, kind: str, key: str, value: str, stratum: Stratum) -> float:
    """P(value | condition, stratum) straight from the definition in the schema."""
    if kind == "finding":
        finding = KNOWLEDGE.findings[key]
        weights = {
            v.id: v.weight
            for v in finding.values
            if (not v.bands or stratum.band in v.bands)
            and (not v.sexes or stratum.sex in v.sexes)
            and stratum.complaint not in v.complaints_except
        }
        stated, typical = condition.findings.get(key, {}), KNOWLEDGE.typicality
    else:
        weights = {o.id: o.weight for o in KNOWLEDGE.exams[key].outcomes}
        stated, typical = condition.exams.get(key, {}), KNOWLEDGE.exams[key].typicality
    background = {v: w / sum(weights.values()) for v, w in weights.items()}
    named = sum(stated.values())
    unnamed = sum(w for v, w in weights.items() if v not in stated)
    specific = {v: stated[v] if v in stated else (1 - named) * w / unnamed for v, w in weights.items()}
    return typical * specific[value] / sum(specific.values()) + (1 - typical) * background[value]


def prior(condition: Condition, stratum: Stratum, knowledge: KnowledgeBase = KNOWLEDGE) -> float:
    """P(condition, stratum), up to one factor."""
    possible = {
        key: share
        for key, share in condition.complaints.items()
        if not knowledge.complaints[key].bands or stratum.band in knowledge.complaints[key].bands
    }
    return (
        condition.weight
        * condition.ages.get(stratum.band, 0)
        * condition.sexes[stratum.sex]
        * knowledge.bands[stratum.band].weight
        * knowledge.sexes[stratum.sex]
        * (possible.get(stratum.complaint, 0) / sum(possible.values()) if possible else 0)
    )


# --- the records -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", KNOWLEDGE.conditions)
def test_records_are_valid_complete_and_keep_the_secret(condition: str) -> None:
    for seed in (1, 2):
        for record in synthesise(6, seed, conditions=[condition]):
            assert truth_of(record).id == condition
            assert record_from_dict(record_to_dict(record)) == record
            assert leaks_in_record(record) == []
            assert 16 <= len(record.facts) <= 24
            assert 5 <= len(record.exams) <= 9
            assert 2 <= sum(exam.key for exam in record.exams) <= 4
            assert 4 <= sum(fact.must_ask for fact in record.facts) <= 8
            assert record.exams[0].id == "vital-signs"
            assert "examination" in record.exams[1].name.lower()
            for exam in record.exams:
                assert bool(exam.result) == (exam.status in ("recorded", "normal"))
                assert exam.result or not exam.key
            topics = Counter(fact.topic for fact in record.facts)
            for topic in ("medications", "allergies", "social.smoking", "ideas", "concerns", "expectations"):
                assert topics[topic] == 1 or (topic, record.speaker) == ("social.smoking", "caregiver"), topic
            assert {fact.polarity for fact in record.facts} >= {"present", "absent"}
            for text in (
                record.chief_complaint,
                *(text for fact in record.facts for text in (fact.lay, fact.statement)),
            ):
                assert text
                assert not re.search(r"[{}]", text)
            assert record.truth.plan
            assert record.truth.contraindicated
            assert record.provenance.synthetic
            assert record.provenance.source == "medenv synthesiser"


def test_ids_are_neutral_and_unique() -> None:
    ids = [record.id for record in drawn()]
    assert ids[3] == "syn-17-000003"
    assert len(set(ids)) == len(ids)
    assert {record.id for record in synthesise(2, -3)}.isdisjoint(record.id for record in synthesise(2, 3))


def test_children_have_a_caregiver_who_speaks_of_them() -> None:
    own = re.compile(
        r"\bI('ve| have) (a|been|had|got) (headache|fever|temperature|cough|rash)|\bmy (tummy|throat|head)\b"
    )
    speakers = defaultdict(set)
    for record in drawn():
        speakers[record.speaker].add(record.demographics.age.value)
        if record.speaker == "caregiver":
            said = " ".join((record.chief_complaint, *(f.lay for f in record.facts if f.topic != "family")))
            assert not own.search(said), own.search(said)
            wrong = r"\b(he|his|him)\b" if record.demographics.sex == "female" else r"\b(she|her|hers)\b"
            assert not re.search(wrong, said.replace("his father smokes", ""), re.I), said
    assert max(speakers["caregiver"]) < 12 <= min(speakers["self"])


def test_statement_and_lay_text_agree_on_numbers() -> None:
    number = re.compile(r"\d+(?:\.\d+)?")
    for record in drawn()[:300]:
        for fact in record.facts:
            if fact.id in ("severity", "weight-change", "smoking", "alcohol", "onset", "palpitation-length"):
                stated = number.findall(fact.statement)
                assert all(n in stated for n in number.findall(fact.lay)), (fact.statement, fact.lay)


def test_plan_minds_allergies() -> None:
    seen = Counter[bool]()
    for record in synthesise(300, 4, conditions=["pneumonia"]):
        allergic = any(fact.id == "allergies" and "Penicillin" in fact.statement for fact in record.facts)
        seen[allergic] += 1
        planned = {item.action for item in record.truth.plan}
        harmful = {item.action for item in record.truth.contraindicated}
        assert ("amoxicillin" in planned) is not allergic
        assert ("amoxicillin" in harmful) is allergic
        if allergic:
            assert planned & {"clarithromycin", "doxycycline"}
            assert next(fact for fact in record.facts if fact.id == "allergies").must_ask
    assert min(seen.values()) > 10


def test_differential_is_ordered_complete_and_holds_the_truth() -> None:
    for record in drawn():
        chances = [entry.probability for entry in record.truth.differential]
        assert len(chances) >= 4
        assert chances[:-1] == sorted(chances[:-1], reverse=True)
        assert math.isclose(sum(chances), 1, abs_tol=1e-4)
        assert record.truth.diagnosis.name in [entry.name for entry in record.truth.differential]


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_same_seed_same_bytes_wherever_one_starts() -> None:
    whole = synthesise(40, 9)
    assert bytes_of(synthesise(40, 9)) == bytes_of(whole)
    assert bytes_of([*synthesise(13, 9), *synthesise(27, 9, start=13)]) == bytes_of(whole)
    synthesis._model.cache_clear()
    assert bytes_of([synthesise(1, 9, start=i)[0] for i in reversed(range(40))]) == bytes_of(whole[::-1])
    assert bytes_of(synthesise(40, 10)) != bytes_of(whole)


def test_same_bytes_in_another_process_with_another_hash_seed() -> None:
    code = (
        "import sys, json; from medenv.records.synthesis import synthesise;"
        "from medenv.records.record import record_to_dict;"
        r"sys.stdout.write('\n'.join(json.dumps(record_to_dict(r), sort_keys=True) for r in synthesise(20, 9)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    assert out == bytes_of(synthesise(20, 9))


def test_conditions_are_drawn_by_their_prior() -> None:
    weights = {c.id: sum(prior(c, s) for s in synthesis._model(KNOWLEDGE).joint) for c in KNOWLEDGE.conditions.values()}
    seen = Counter(truth_of(record).id for record in drawn())
    for condition, weight in weights.items():
        expected = weight / sum(weights.values())
        spread = math.sqrt(expected * (1 - expected) / len(drawn()))
        assert abs(seen[condition] / len(drawn()) - expected) < 4.5 * spread, condition


def test_values_are_drawn_by_their_stated_probabilities() -> None:
    """Observed minus expected counts, in standard deviations, for each condition, finding or exam, and value."""
    observed = Counter[tuple[str, str, str]]()
    expected = defaultdict[tuple[str, str, str], float](float)
    variance = defaultdict[tuple[str, str, str], float](float)
    chances: dict[tuple[Any, ...], float] = {}
    for record in drawn():
        condition, stratum, evidence = truth_of(record), stratum_of(record), evidence_in(record)
        stated = [("finding", key, value) for key, value in evidence.findings.items()]
        stated += [("exam", key, value) for key, value in evidence.exams.items()]
        for kind, key, value in stated:
            if kind == "finding":
                options = [v.id for v in KNOWLEDGE.findings[key].values_for(stratum)]
            else:
                options = [o.id for o in KNOWLEDGE.exams[key].outcomes]
            observed[condition.id, key, value] += 1
            for option in options:
                where = (condition.id, kind, key, option, stratum)
                if where not in chances:
                    chances[where] = chance(condition, kind, key, option, stratum)
                expected[condition.id, key, option] += chances[where]
                variance[condition.id, key, option] += chances[where] * (1 - chances[where])
    scores = [
        (observed[key] - expected[key]) / math.sqrt(variance[key])
        for key in expected
        if expected[key] >= 5 and variance[key] >= 5
    ]
    assert len(scores) > 800
    assert max(map(abs, scores)) < 4.7
    assert 0.9 < sum(z * z for z in scores) / len(scores) < 1.1


def test_what_a_record_states_does_not_hint_at_the_truth() -> None:
    """Within a stratum every competing condition has the same findings stated and exams on file, but for chance."""
    stated: dict[tuple[Stratum, str], list[set[str]]] = defaultdict(list)
    for record in synthesise(2500, 31, conditions=["pulmonary-embolism", "panic-disorder"]):
        shown = {fact.id for fact in record.facts} | {f"{exam.id}:{bool(exam.result)}" for exam in record.exams}
        stated[stratum_of(record), truth_of(record).id].append(shown)
    scores = []
    for stratum in {stratum for stratum, _ in stated}:
        here, there = (stated[stratum, condition] for condition in ("pulmonary-embolism", "panic-disorder"))
        if min(len(here), len(there)) < 50:
            continue
        for key in set().union(*here, *there):
            shares = [sum(key in shown for shown in records) / len(records) for records in (here, there)]
            pooled = sum(key in shown for shown in (*here, *there)) / len((*here, *there))
            if 0 < pooled < 1:
                spread = math.sqrt(pooled * (1 - pooled) * (1 / len(here) + 1 / len(there)))
                scores.append((shares[0] - shares[1]) / spread)
            else:
                assert shares[0] == shares[1]
    assert len(scores) > 30
    assert max(map(abs, scores)) < 4


def test_is_fast() -> None:
    synthesise(100, 1)
    start = time.perf_counter()
    synthesise(200, 2)
    assert time.perf_counter() - start < 2  # 100 records/s; an idle core does several times that


# --- the posterior ---------------------------------------------------------------------------------------------------


def small() -> KnowledgeBase:
    """Three conditions, two age bands, two complaints: small enough to enumerate."""
    ids = ("acute-coronary-syndrome", "panic-disorder", "iron-deficiency-anaemia")
    bands = {key: KNOWLEDGE.bands[key] for key in ("adult", "older")}
    complaints = {key: KNOWLEDGE.complaints[key] for key in ("chest-pain", "breathlessness", "palpitations")}
    conditions = {}
    for key in ids:
        kept = {k: share for k, share in KNOWLEDGE.conditions[key].complaints.items() if k in complaints}
        conditions[key] = dataclasses.replace(KNOWLEDGE.conditions[key], complaints=kept)
    return dataclasses.replace(KNOWLEDGE, bands=bands, complaints=complaints, conditions=conditions)


def enumerated(knowledge: KnowledgeBase, evidence: Evidence) -> Mapping[str, float]:
    """The posterior by summing the joint distribution over everything that can be true, one world after the other."""
    keys = ("sweating", "overwhelming-fear", "onset")
    mass = dict.fromkeys(knowledge.conditions, 0.0)
    for condition in knowledge.conditions.values():
        for band, sex, complaint in itertools.product(knowledge.bands, knowledge.sexes, knowledge.complaints):
            stratum = Stratum(band, sex, complaint)
            worlds = [KNOWLEDGE.findings[key].values_for(stratum) for key in keys]
            for values in itertools.product(*worlds, KNOWLEDGE.exams["ecg"].outcomes):
                world = dict(zip((*keys, "ecg"), (value.id for value in values), strict=True))
                weight = prior(condition, stratum, knowledge)
                for key in keys:
                    weight *= chance(condition, "finding", key, world[key], stratum)
                weight *= chance(condition, "exam", "ecg", world["ecg"], stratum)
                agrees = (
                    evidence.complaint in (None, complaint)
                    and evidence.sex in (None, sex)
                    and (
                        evidence.age is None
                        or KNOWLEDGE.bands[band].first <= evidence.age <= KNOWLEDGE.bands[band].last
                    )
                    and all(world[key] == value for key, value in (*evidence.findings.items(), *evidence.exams.items()))
                )
                mass[condition.id] += weight * agrees
    return {key: value / sum(mass.values()) for key, value in mass.items()}


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(),
        Evidence(complaint="chest-pain"),
        Evidence(age=30),
        Evidence(sex="male", age=70),
        Evidence(complaint="breathlessness", age=70, sex="female", findings={"sweating": "present"}),
        Evidence(findings={"overwhelming-fear": "absent", "onset": "months"}),
        Evidence(
            complaint="chest-pain", findings={"sweating": "absent", "onset": "sudden"}, exams={"ecg": "st-lowered"}
        ),
        Evidence(sex="female", findings={"sweating": "present"}, exams={"ecg": "normal"}),
    ],
    ids=str,
)
def test_posterior_equals_enumeration(evidence: Evidence) -> None:
    found = posterior(small(), evidence)
    assert found == pytest.approx(enumerated(small(), evidence), abs=1e-12)
    assert math.isclose(sum(found.values()), 1)


def test_differential_is_the_posterior_given_all_that_is_stated() -> None:
    for record in drawn()[:300]:
        exact = posterior(KNOWLEDGE, evidence_in(record))
        listed = {BY_NAME[entry.name].id: entry.probability for entry in record.truth.differential}
        mass = sum(exact[key] for key in listed)
        assert mass > 0.99
        assert listed == pytest.approx({key: exact[key] / mass for key in listed}, abs=2e-6)


def test_probabilities_mean_what_they_say() -> None:
    """Calibration: of the cases given 0.7, seven in ten; and the mean posterior of the truth is the expected one."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    truths, tops, hits = [], [], []
    for record in drawn():
        exact = posterior(KNOWLEDGE, evidence_in(record))
        truth = truth_of(record).id
        best = max(exact, key=exact.__getitem__)
        truths.append(exact[truth] - sum(p * p for p in exact.values()))
        tops.append(exact[best])
        hits.append(best == truth)
        for key, p in exact.items():
            if 0.02 < p < 0.98:
                bins[int(p * 5)].append((p, key == truth))
    size = len(drawn())
    assert abs(sum(truths) / size) < 3.5 * math.sqrt(sum(t * t for t in truths)) / size
    assert abs(sum(tops) / size - sum(hits) / size) < 3.5 * math.sqrt(sum(p * (1 - p) for p in tops)) / size
    for pairs in bins.values():
        spread = math.sqrt(sum(p * (1 - p) for p, _ in pairs))
        assert abs(sum(p for p, _ in pairs) - sum(hit for _, hit in pairs)) < 3.5 * spread


def test_consulting_is_worth_while() -> None:
    """The complaint alone leaves the truth open; the history narrows it; history and exams mostly settle it."""
    complaint, history, everything = [], [], []
    for record in drawn()[:600]:
        known, truth = evidence_in(record), truth_of(record).id
        complaint.append(posterior(KNOWLEDGE, Evidence(complaint=known.complaint))[truth])
        history.append(posterior(KNOWLEDGE, dataclasses.replace(known, exams={}))[truth])
        everything.append(posterior(KNOWLEDGE, known)[truth])
    means = [sum(values) / len(values) for values in (complaint, history, everything)]
    assert 0.18 < means[0] < 0.32
    assert 0.55 < means[1] < 0.8
    assert 0.85 < means[2] < 0.96


@settings(max_examples=60)
@given(data=st.data(), index=st.integers(0, 199))
def test_any_part_of_the_evidence_gives_a_distribution(data: st.DataObject, index: int) -> None:
    known = evidence_in(drawn()[index])
    keys = data.draw(st.lists(st.sampled_from(sorted(known.findings)), unique=True))
    exams = data.draw(st.lists(st.sampled_from(sorted(known.exams)), unique=True))
    blurred = Evidence(
        complaint=data.draw(st.sampled_from([known.complaint, None])),
        age=data.draw(st.sampled_from([known.age, None])),
        sex=data.draw(st.sampled_from([known.sex, "unknown", None])),
        findings={key: known.findings[key] for key in keys},
        exams={key: known.exams[key] for key in exams},
    )
    found = posterior(KNOWLEDGE, blurred)
    assert [*found] == [*KNOWLEDGE.conditions]
    assert math.isclose(sum(found.values()), 1)
    assert min(found.values()) >= 0
    again = dataclasses.replace(blurred, findings=dict(reversed([*blurred.findings.items()])))
    assert posterior(KNOWLEDGE, again) == pytest.approx(found)


def test_one_more_answer_changes_nothing_on_average() -> None:
    """The law of total probability: the posterior is the mean of what it would be after each answer."""
    known = Evidence(complaint="headache", age=30, sex="female", findings={"light-sensitivity": "present"})
    before = posterior(KNOWLEDGE, known)
    stratum = Stratum("adult", "female", "headache")
    after = dict.fromkeys(before, 0.0)
    for value in KNOWLEDGE.findings["headache-character"].values:
        weight = sum(
            p * chance(KNOWLEDGE.conditions[c], "finding", "headache-character", value.id, stratum)
            for c, p in before.items()
        )
        answered = dataclasses.replace(known, findings={**known.findings, "headache-character": value.id})
        for key, p in posterior(KNOWLEDGE, answered).items():
            after[key] += weight * p
    assert after == pytest.approx(before, abs=1e-12)


def test_what_cannot_be_asked_and_what_the_complaint_says_carry_no_news() -> None:
    known = Evidence(complaint="tiredness", age=40, sex="male")
    before = posterior(KNOWLEDGE, known)
    for finding, value in (("heavy-periods", "absent"), ("fatigue", "present")):
        assert posterior(KNOWLEDGE, dataclasses.replace(known, findings={finding: value})) == before
    for finding, value in (("heavy-periods", "present"), ("fatigue", "absent")):
        with pytest.raises(RecordError, match="at least one condition allows"):
            posterior(KNOWLEDGE, dataclasses.replace(known, findings={finding: value}))


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "error"),
    [
        (Evidence(complaint="hiccups"), UnknownIdError),
        (Evidence(findings={"aura": "present"}), UnknownIdError),
        (Evidence(findings={"fever": "perhaps"}), UnknownIdError),
        (Evidence(exams={"biopsy": "normal"}), UnknownIdError),
        (Evidence(exams={"ecg": "flat"}), UnknownIdError),
        (Evidence(age=0.5), RecordError),
        (Evidence(age=float("nan")), RecordError),
        (Evidence(complaint="joint-pain", age=7), RecordError),
    ],
    ids=str,
)
def test_posterior_refuses(evidence: Evidence, error: type[Exception]) -> None:
    with pytest.raises(error, match="expected") as caught:
        posterior(KNOWLEDGE, evidence)
    assert "\n" not in str(caught.value)


def test_synthesise_refuses() -> None:
    assert synthesise(0, 1) == []
    with pytest.raises(RecordError, match="at least 0"):
        synthesise(-1, 1)
    with pytest.raises(RecordError, match="at least 0"):
        synthesise(1, 1, start=-1)
    with pytest.raises(RecordError, match="at least one condition"):
        synthesise(1, 1, conditions=[])
    with pytest.raises(UnknownIdError, match="'scurvy'"):
        synthesise(1, 1, conditions=["scurvy"])


def test_evidence_of_a_foreign_record_is_refused() -> None:
    record = synthesise(1, 1)[0]
    with pytest.raises(RecordError, match="texts of the knowledge base"):
        evidence_in(dataclasses.replace(record, chief_complaint="Something quite different."))
    fact = dataclasses.replace(record.facts[0], statement="Something quite different.")
    with pytest.raises(RecordError, match="texts of the knowledge base"):
        evidence_in(dataclasses.replace(record, facts=(fact,)))
