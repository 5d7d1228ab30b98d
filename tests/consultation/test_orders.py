import pytest

from medenv.consultation.orders import answer, find_exam
from medenv.consultation.views import ExaminerView


def ask(record, *orders, policy="unavailable", earlier=()):
    return answer(ExaminerView(record.exams, record.demographics, orders), policy, earlier)


def test_the_record_answers_by_status(record):
    results = ask(record, "joint aspiration", "Serum urate", "knee MRI", "synovial biopsy")
    assert [result.status for result in results] == ["recorded", "pending", "unavailable", "normal"]
    assert "birefringent" in results[0].text
    assert [result.exam for result in results] == ["aspirate", "urate", "mri", "biopsy"]


@pytest.mark.parametrize("policy", ["unavailable", "normal"])
def test_a_test_that_the_record_lacks_says_which_policy_answered(record, policy):
    (result,) = ask(record, "serum porcelain", policy=policy)
    assert result.exam is None
    assert result.status == policy
    assert {"unavailable": "not available", "normal": "by policy"}[policy] in result.text


def test_a_repeated_order_says_so(record):
    once, twice = ask(record, "vital signs", "observations")
    assert (once.repeated, twice.repeated) == (False, True)
    assert ask(record, "vital signs", earlier=("vitals",))[0].repeated


@pytest.mark.parametrize(
    ("request_", "exam"),
    [
        ("arthrocentesis", "aspirate"), ("Synovial Fluid Analysis", "aspirate"), ("MRI of the right knee", "mri"),
        ("vitals", "vitals"), ("biopsy", "biopsy"), ("MRI", "mri"), ("MRI brain", None), ("", None), ("?!", None),
        ("everything", None), ("CT knee", None),
    ],
)  # fmt: skip
def test_names_of_tests(record, request_, exam):
    found = find_exam(request_, record.exams)
    assert (found.id if found else None) == exam
