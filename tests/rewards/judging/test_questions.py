from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from medenv.rewards import Criterion
from medenv.rewards.judging.questions import questions

SCOPES = ("consultation", "response")


def criteria(kinds):
    return [
        Criterion(f"c{place}", "Is kind.", -3 if fault else 3, "communication", scope=scope)
        for place, (scope, fault) in enumerate(kinds)
    ]


def asked(several, at_once):
    return [question.criteria for question in questions(several, at_once, explain=False, max_tokens=8)]


KINDS = st.lists(st.tuples(st.sampled_from(SCOPES), st.booleans()), max_size=40)
AT_ONCE = st.none() | st.integers(1, 12)


@given(KINDS, AT_ONCE)
def test_every_criterion_is_asked_about_once_and_in_order_among_its_kind(kinds, at_once):
    several = criteria(kinds)
    found = [criterion for group in asked(several, at_once) for criterion in group]
    assert sorted(found, key=several.index) == several
    for kind in set(kinds):
        alike = [c for c in found if (c.scope, c.points < 0) == kind]
        assert alike == sorted(alike, key=several.index)


@given(KINDS, AT_ONCE)
def test_questions_of_a_kind_are_as_few_as_may_be_and_of_even_size(kinds, at_once):
    groups = asked(criteria(kinds), at_once)
    for scope, fault in set(kinds):
        sizes = [len(group) for group in groups if (group[0].scope, group[0].points < 0) == (scope, fault)]
        assert len(sizes) == (ceil(sum(sizes) / at_once) if at_once else 1)
        assert max(sizes) - min(sizes) <= 1
        assert at_once is None or max(sizes) <= at_once


def test_no_question_is_left_with_one_criterion_where_four_may_share_it():
    assert [len(group) for group in asked(criteria([("consultation", False)] * 9), 4)] == [3, 3, 3]
