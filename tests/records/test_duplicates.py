from __future__ import annotations

import dataclasses
import random
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.records import record_from_dict
from medenv.records.duplicates import NEAR_DUPLICATE, Duplicates, repeated_facts
from medenv.records.similarity import SetIndex, jaccard, normalised, statements, word_runs


def hashes(elements):
    return np.unique(np.fromiter(elements, np.uint64))


def common(one, other):
    return len(set(one.tolist()) & set(other.tolist()))


small_sets = st.lists(st.frozensets(st.integers(0, 14), max_size=12), max_size=14).map(lambda s: [hashes(e) for e in s])


@given(small_sets, st.frozensets(st.integers(0, 16), max_size=14), st.fractions(Fraction(1, 20), 1), st.data())
def test_the_index_finds_what_going_through_all_sets_finds(sets, wanted, share, data):
    wanted = hashes(wanted)
    below = data.draw(st.none() | st.integers(0, len(sets)))
    expected = [
        (place, common(wanted, one))
        for place, one in enumerate(sets[:below])
        if len(wanted) and common(wanted, one) >= share * len(wanted)
    ]
    assert list(SetIndex(sets).holding(wanted, share, below)) == expected


def pairs_of(sets):
    duplicates = Duplicates()
    duplicates._sets, duplicates._ids = sets, list(range(len(sets)))
    return list(duplicates.pairs())


def slow_pairs(sets):
    """The definition of `pairs`, one pair after the other."""
    for place, one in enumerate(sets):
        shares = [jaccard(common(one, other), one, other) for other in sets[:place]]
        found = next((at for at, other in enumerate(sets[:place]) if np.array_equal(one, other)), None)
        if found is not None:
            yield place, found, Fraction(1)
        elif near := [(at, share) for at, share in enumerate(shares) if share >= NEAR_DUPLICATE]:
            yield (place, *near[0])


@given(st.integers(0, 2**32), st.integers(9, 30))
def test_near_duplicates_are_those_that_comparing_every_pair_finds(seed, size):
    rng = random.Random(seed)
    sets = [set(rng.sample(range(60), size)) for _ in range(4)]
    for _ in range(20):
        one = set(rng.choice(sets))
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            one.discard(rng.randrange(60))
            one.add(rng.randrange(60))
        sets.append(one or {1})
    rng.shuffle(sets)
    sets = [hashes(one) for one in sets]
    assert pairs_of(sets) == list(slow_pairs(sets))


def test_an_empty_index_holds_nothing():
    assert list(SetIndex([]).holding(hashes([1, 2]), Fraction(1, 2))) == []
    assert list(SetIndex([hashes([]), hashes([1])]).holding(hashes([]), Fraction(1, 2))) == []
    assert pairs_of([]) == []


@pytest.mark.parametrize("kind", ["the same", "one of their own", "near misses", "few words"])
def test_thousands_of_sets_take_no_long_time(kind):
    rng, base = random.Random(0), range(1000, 1030)
    made = {
        "the same": lambda n: base,
        "one of their own": lambda n: [*base, 10**6 + n],
        "near misses": lambda n: [*base[:24], *rng.sample(range(200), 6)],
        "few words": lambda n: rng.sample(range(600), 30),
    }[kind]
    sets = [hashes(made(n)) for n in range(5_000)]
    start = time.process_time()
    found = pairs_of(sets)
    assert time.process_time() - start < 10
    if kind in ("the same", "one of their own"):
        assert len(found) == 4_999


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pain for 3 days", "pain, for 5 days."),
        ("Weight 61.5 kg", "weight: 70 kg"),
        ("T\u00eate-\u00e0-t\u00eate", "te\u0302te a\u0300 te\u0302te"),
    ],
)
def test_case_punctuation_and_numbers_make_no_other_statement(one, other):
    assert normalised(one, numbers=False) == normalised(other, numbers=False)


def test_numbers_count_where_they_are_asked_for():
    assert normalised("Pain for 3 days") != normalised("Pain for 5 days")


def test_a_record_is_what_it_states(plain_record, record):
    same = plain_record(id="other", provenance={"source": "x", "licence": "MIT", "synthetic": False})
    same["facts"][0] |= {"statement": "pain began SUDDENLY, last night", "lay": "Other words."}
    assert np.array_equal(statements(record), statements(record_from_dict(same)))
    same["exams"][0]["result"] = same["exams"][0]["result"].replace("84", "48")
    assert not np.array_equal(statements(record), statements(record_from_dict(same)))


def test_runs_of_words_are_those_of_thirteen(record, plain_record):
    words = [f"word{n}" for n in range(40)]
    data = plain_record(chief_complaint="Hm.", exams=[])
    data["facts"] = [{**data["facts"][0], "statement": " ".join(words), "lay": "Yes."}]
    runs = word_runs(record_from_dict(data))
    assert len(runs) == 40 - 13 + 1
    data["facts"][0]["statement"] = " ".join(["So", *words[5:30], "then"])
    assert common(runs, word_runs(record_from_dict(data))) == 25 - 13 + 1
    data["facts"][0]["statement"] = " ".join(words[:12])
    assert len(word_runs(record_from_dict(data))) == 0


def test_facts_that_come_twice_are_found(record):
    first = record.facts[0]
    facts = (
        dataclasses.replace(first, id="a", statement="Pain for 3 days"),
        dataclasses.replace(first, id="b", statement="PAIN, for 3 days!"),
        dataclasses.replace(first, id="c", statement="Pain for 5 days"),
        dataclasses.replace(first, id="d", statement="Pain for days"),
    )
    assert list(repeated_facts(dataclasses.replace(record, facts=facts))) == [("b", "a", False), ("c", "a", True)]
