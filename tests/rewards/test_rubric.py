import json

import pytest

from medenv.errors import RubricError
from medenv.records import load_records
from medenv.rewards import AXES, Check, check_kinds, record_rubric, rubric_from_dict, rubric_to_dict

CRITERION = {"id": "a", "text": "Greets.", "points": 2, "axis": "communication"}


def test_every_library_case_gets_a_rubric_over_all_dimensions():
    for record in load_records("library"):
        rubric = record_rubric(record)
        assert {criterion.axis for criterion in rubric.criteria} == set(AXES)
        assert all(
            criterion.check is not None and criterion.check.kind in check_kinds() for criterion in rubric.criteria
        )
        assert all(-10 <= criterion.points <= 10 for criterion in rubric.criteria)
        assert any(criterion.veto for criterion in rubric.criteria)
        assert record_rubric(record) == rubric


def test_a_rubric_survives_json():
    rubric = record_rubric(load_records("library")[0])
    assert rubric_from_dict(json.loads(json.dumps(rubric_to_dict(rubric)))) == rubric


def test_expert_criteria_take_the_place_of_generated_ones(plain_record):
    from medenv.records.record import record_from_dict

    record = record_from_dict(plain_record(rubric=[CRITERION]))
    assert [criterion.id for criterion in record_rubric(record).criteria] == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        {"points": 0}, {"points": 11}, {"points": 1.5}, {"axis": "charm"}, {"check": {"kind": "asked_nicely"}},
        {"check": {}}, {"text": ""}, {"extra": 1}, {"points": "2"}, {"level": "x"},
    ],
)  # fmt: skip
def test_a_rubric_that_breaks_its_schema(change):
    with pytest.raises(RubricError) as caught:
        rubric_from_dict([{**CRITERION, **change}])
    assert "\n" not in str(caught.value)


def test_the_truth_is_in_the_rubric_and_in_no_general_criterion(record):
    case = [c for c in record_rubric(record).criteria if c.level == "case"]
    assert Check("leading_diagnosis", record.truth.diagnosis.names) in [criterion.check for criterion in case]
    assert [criterion.text for criterion in case if criterion.veto] == ["Plans naproxen, although: rash with naproxen"]


def test_what_each_dimension_holds(record):
    by_id = {criterion.id: criterion for criterion in record_rubric(record).criteria}
    assert by_id["history.fever"].axis == "consultation_logic"  # one finding alone, red flag or not
    assert by_id["safety.signs.0"].axis == "safety"
    assert by_id["history.onset"].axis == "consultation_logic"
    assert by_id["exam.aspirate"].axis == "diagnostic_accuracy"
    assert by_id["plan.0"].axis == "treatment"
    assert by_id["plan.1"].axis == "communication"  # advice that is not essential
    assert by_id["trust.alcohol"].check == Check("disclosed", ("alcohol",))
    assert by_id["diagnosis.alternative"].check == Check("in_differential", ("septic arthritis", "pseudogout"))
    assert by_id["evidence.key"].check == Check("cited", ("fever", "onset", "aspirate"))


def test_safety_nets_and_worries_of_the_library_have_their_dimensions():
    axes = {"ideas": "communication", "concerns": "communication", "expectations": "communication"}
    for record in load_records("library"):
        by_id = {criterion.id: criterion for criterion in record_rubric(record).criteria}
        for fact in record.facts:
            if fact.topic in axes and not (fact.must_ask or fact.red_flag):
                assert by_id[f"perspective.{fact.id}"].axis == axes[fact.topic]
        for index, item in enumerate(record.truth.plan):
            if item.kind == "advice" and item.essential:
                assert by_id[f"plan.{index}"].axis == "safety"
        assert any(c.axis == "safety" and c.points < 0 for c in by_id.values())
        assert len(by_id) <= 85
