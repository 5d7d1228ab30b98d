"""The data of the knowledge base, and what its loader refuses."""

import itertools
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from medenv.consultation.understanding import reader
from medenv.errors import RecordError
from medenv.records import synthesis
from medenv.records.knowledge_base import Rule, Stratum, load_knowledge
from medenv.records.record import Fact, topics

KNOWLEDGE = load_knowledge()
FOLDER = Path(str(resources.files("medenv.records").joinpath("knowledge")))
SCHEMA = json.loads(resources.files("medenv.records").joinpath("knowledge.schema.json").read_text("utf-8"))
FILES = sorted(FOLDER.glob("*.json"))
STRATA = list(synthesis._model(KNOWLEDGE).joint.items())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_fits_the_schema(path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    errors = [f"{e.json_path}: {e.message[:200]}" for e in Draft202012Validator(SCHEMA).iter_errors(_read(path))]
    assert not errors


def _read(path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"{path.name}: a key comes twice in {[key for key, _ in pairs]}"
        return dict(pairs)

    return json.loads(path.read_text("utf-8"), object_pairs_hook=unique)


def test_covers_enough_of_medicine() -> None:
    specialties = {condition.specialty for condition in KNOWLEDGE.conditions.values()}
    assert len(KNOWLEDGE.conditions) >= 60
    assert len(specialties) >= 15
    assert {"paediatrics", "obstetrics", "geriatrics", "dermatology", "ophthalmology", "psychiatry"} <= specialties


def test_every_condition_comes_up() -> None:
    prior = synthesis._model(KNOWLEDGE).prior
    assert min(prior.values()) > 0.003, min(prior, key=prior.__getitem__)


def test_a_plain_question_brings_out_every_finding() -> None:
    asked: dict[str, bool] = {}
    for condition in KNOWLEDGE.conditions:
        for record in synthesis.synthesise(3, 1, conditions=[condition]):
            for fact in record.facts:
                asked[fact.id] = asked.get(fact.id, False) or _is_understood(record.facts, fact)
    assert [key for key, understood in asked.items() if not understood] == []
    assert len(asked) > 0.9 * len(KNOWLEDGE.findings)


def _is_understood(facts: tuple[Fact, ...], fact: Fact) -> bool:
    questions = (topics()[fact.topic]["question"], *(f"Do you have {name}?" for name in fact.synonyms))
    return any(fact.id in q.facts for text in questions for q in reader(facts).read(text, ()).questions)


def test_nobody_pregnant_takes_the_pill() -> None:
    late = Stratum("adult", "female", "late-pregnancy")
    assert "pill" not in {value.id for value in KNOWLEDGE.findings["medications"].values_for(late)}
    assert not [s for s, _ in STRATA if s.complaint in ("late-pregnancy", "pelvic-pain") and s.sex == "male"]


def test_names_are_of_one_condition_only() -> None:
    names = Counter(n.casefold() for c in KNOWLEDGE.conditions.values() for n in {*c.diagnosis.names})
    assert not [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("complaint", KNOWLEDGE.complaints)
def test_complaint_has_competing_conditions_in_every_stratum(complaint: str) -> None:
    strata = [(s, w) for s, w in STRATA if s.complaint == complaint]
    assert strata
    for stratum, weights in strata:
        assert sum(weight > 0 for weight in weights) >= 4, stratum


def test_every_stratum_serves_every_competing_condition() -> None:
    model = synthesis._model(KNOWLEDGE)
    for stratum, weights in STRATA:
        selection = model.selection(stratum)
        panel = {*selection.fixed_exams, *selection.loose_exams}
        assert 5 <= len(panel) <= 9
        for condition in (c for c, weight in zip(model.conditions, weights, strict=True) if weight):
            assert len({*condition.must_ask} & {*selection.core}) >= 4, (condition.id, stratum)
            assert 2 <= len({*condition.key_exams} & {*selection.fixed_exams}) <= 4, (condition.id, stratum)


def test_first_two_exams_are_vital_signs_and_an_examination() -> None:
    for complaint in KNOWLEDGE.complaints.values():
        first, second = (KNOWLEDGE.exams[key] for key in complaint.exams[:2])
        assert first.name == "Vital signs"
        assert "examination" in second.name.lower()


def test_hpi_attributes_of_a_complaint_tell_its_conditions_apart() -> None:
    for finding in KNOWLEDGE.findings.values():
        if finding.complaints and finding.topic.startswith("hpi.") and len(finding.values) > 2:
            for condition in KNOWLEDGE.conditions.values():
                if {*condition.complaints} & {*finding.complaints}:
                    assert finding.id in condition.findings, (condition.id, finding.id)


@pytest.mark.parametrize("condition", KNOWLEDGE.conditions.values(), ids=lambda c: c.id)
def test_plan_is_sound_for_every_risk_factor(condition: Any) -> None:
    rules: tuple[Rule, ...] = (*condition.plan, *condition.contraindicated)
    risks = sorted({finding for rule in rules for finding in (*rule.when, *rule.unless)})
    for band in condition.ages:
        options = [
            [v.id for v in KNOWLEDGE.findings[f].values if not v.bands or band in v.bands]
            for f in risks
            if not KNOWLEDGE.findings[f].bands or band in KNOWLEDGE.findings[f].bands
        ]
        for values in itertools.product(*options):
            found = dict(zip(risks, values, strict=False))
            plan = synthesis._plan(KNOWLEDGE, condition, found, band)
            harm = synthesis._contraindicated(KNOWLEDGE, condition, found, band)
            assert 2 <= sum(item.essential for item in plan) <= 4, found
            assert len(plan) >= 4
            assert harm
            right = [name.lower() for item in plan for name in item.names]
            wrong = [name.lower() for item in harm for name in item.names]
            assert not [(a, b) for a in right for b in wrong if a in b or b in a], found


def test_every_text_reads_back_as_what_it_was_written_for() -> None:
    rng = synthesis.random.Random(5)
    for finding in KNOWLEDGE.findings.values():
        for attribute in ("statement", "lay", "caregiver"):
            texts = {v.id: getattr(v, attribute) for v in finding.values if getattr(v, attribute)}
            _reads_back(texts, rng, (finding.id, attribute))
    for exam in KNOWLEDGE.exams.values():
        _reads_back({o.id: o.result for o in exam.outcomes}, rng, exam.id)
        _reads_back({o.id: o.child or o.result for o in exam.outcomes}, rng, exam.id)


def _reads_back(texts: dict[str, str], rng: Any, where: Any) -> None:
    for _ in range(5):
        for key, template in texts.items():
            text = synthesis._writer(rng, "female")(template)
            assert "{" not in text
            assert [k for k, other in texts.items() if synthesis._reads(other, text)] == [key], (where, text)


def test_openings_belong_to_one_complaint() -> None:
    texts = Counter(t for c in KNOWLEDGE.complaints.values() for o in c.openings for t in {o.lay, o.caregiver} if t)
    assert max(texts.values()) == 1


def test_caregivers_speak_of_the_child() -> None:
    body = re.compile(r"\b(my|I have|I've got|I'm) (head|tummy|chest|throat|neck|skin|back|heart|legs?|feverish|ill)\b")
    for finding in KNOWLEDGE.findings.values():
        for value in finding.values:
            assert not body.search(value.caregiver), value.caregiver


def test_absent_differs_from_present_in_every_wording() -> None:
    for finding in KNOWLEDGE.findings.values():
        for attribute in ("statement", "lay", "caregiver"):
            texts = [text for v in finding.values if (text := getattr(v, attribute))]
            assert len(set(texts)) == len(texts), finding.id


def test_rules_hold_and_say_what_decided_them() -> None:
    rule = Rule("x", when={"allergies": ("penicillin",)}, unless={"medications": ("warfarin",)}, bands=("adult",))
    assert rule.holds({"allergies": "penicillin", "medications": "none"}, "adult")
    assert not rule.holds({"allergies": "penicillin", "medications": "none"}, "child")
    assert not rule.holds({"allergies": "penicillin", "medications": "warfarin"}, "adult")
    assert not rule.holds({}, "adult")
    assert [*rule.decided_by({"allergies": "penicillin", "medications": "warfarin"})] == ["allergies", "medications"]
    assert [*rule.decided_by({"allergies": "none"})] == []


def test_applicability() -> None:
    periods = KNOWLEDGE.findings["heavy-periods"]
    assert periods.applies(Stratum("adult", "female", "tiredness"))
    assert not periods.applies(Stratum("adult", "male", "tiredness"))
    assert not periods.applies(Stratum("older", "female", "tiredness"))
    pill = Stratum("adult", "female", "headache")
    assert "pill" in {v.id for v in KNOWLEDGE.findings["medications"].values_for(pill)}
    assert "pill" not in {v.id for v in KNOWLEDGE.findings["medications"].values_for(pill._replace(sex="male"))}


def test_a_folder_of_ones_own_loads_like_the_bundled_one(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "own")
    own = load_knowledge(tmp_path / "own")
    assert own.conditions == KNOWLEDGE.conditions
    assert own.findings == KNOWLEDGE.findings


def _first(data: Any) -> Any:
    return data["conditions"][0]


BREAKAGES: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("cardiology.json", "expected the id of a known finding", lambda d: _first(d)["findings"].update(aura=0.5)),
    (
        "cardiology.json",
        "expected the id of a known value",
        lambda d: _first(d)["findings"].update(onset={"noon": 0.5}),
    ),
    ("cardiology.json", "expected the id of a known outcome", lambda d: _first(d)["exams"].update(ecg={"flat": 0.5})),
    ("cardiology.json", "expected the id of a known treatment", lambda d: _first(d)["plan"].append({"treatment": "x"})),
    ("cardiology.json", "expected the id of a known complaint", lambda d: _first(d)["complaints"].update(hiccups=0.5)),
    ("cardiology.json", "expected the id of a known exam", lambda d: _first(d)["key_exams"].append("biopsy")),
    (
        "cardiology.json",
        "expected probabilities that sum to 1, got 1.8",
        lambda d: _first(d)["findings"].update(onset={"sudden": 0.9, "hours": 0.9}),
    ),
    (
        "cardiology.json",
        "expected rules on findings that are always stated, got 'family-history'",
        lambda d: _first(d)["plan"].append({"treatment": "statin", "when": {"family-history": ["heart"]}}),
    ),
    ("cardiology.json", "expected unique ids", lambda d: d["conditions"].append(_first(d))),
    ("cardiology.json", "field $.conditions[0].weight", lambda d: _first(d).update(weight=-1)),
    ("cardiology.json", "field $.conditions[0]", lambda d: _first(d).pop("must_ask")),
    ("cardiology.json", "field $.note", lambda d: d.update(note="True numbers.")),
    ("findings.json", "expected caregiver's words", lambda d: _finding(d, "fever")["present"].pop("caregiver")),
    ("findings.json", "field $.findings", lambda d: _finding(d, "fever").update(topic="hpi.mood")),
    ("population.json", "field $.kind", lambda d: d.update(kind="people")),
]


def _finding(data: Any, key: str) -> Any:
    return next(finding for finding in data["findings"] if finding["id"] == key)


@pytest.mark.parametrize(("name", "message", "breakage"), BREAKAGES, ids=[m for _, m, _ in BREAKAGES])
def test_loader_refuses(tmp_path: Path, name: str, message: str, breakage: Callable[[Any], Any]) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(FOLDER, folder)
    data = json.loads((folder / name).read_text("utf-8"))
    breakage(data)
    (folder / name).write_text(json.dumps(data), "utf-8")
    with pytest.raises(RecordError, match=re.escape(message)) as caught:
        load_knowledge(folder)
    assert "\n" not in str(caught.value)


def test_loader_refuses_what_is_no_json_and_a_folder_without_population(tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / "a.json").write_text("{", "utf-8")
    with pytest.raises(RecordError, match="'population', got none"):
        load_knowledge(empty)
    with pytest.raises(RecordError, match=r"a\.json: expected JSON"):
        load_knowledge(broken)
