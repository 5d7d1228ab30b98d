"""The rubric ranks doctors of known order as they are known to rank, on every source of records."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import medenv

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def ranking():
    spec = importlib.util.spec_from_file_location("ranking", BENCHMARKS / "ranking.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ranking"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["library", "synthetic:96", "agentclinic", "synthea", "aci_bench"])
def test_rewards_follow_the_known_order(ranking, request, name):
    outside = name in ("agentclinic", "synthea", "aci_bench")
    found = ranking.ranked(request.getfixturevalue(name)() if outside else medenv.load_records(name))
    assert found["doctors"] >= ranking.LEAST
    assert found["tau"] >= ranking.WANTED


def test_a_rubric_that_ranks_otherwise_is_found(ranking):
    places = {name: place for name, (place, _) in ranking.ladder().items()}
    assert ranking._tau(places, places) == pytest.approx(1)
    assert ranking._tau(places, {name: -place for name, place in places.items()}) == pytest.approx(-1)
    swapped = {**places, "oracle": places["random"], "random": places["oracle"]}
    assert ranking._tau(places, swapped) < ranking.WANTED


def test_every_ablation_does_less_than_the_one_above(ranking):
    record = medenv.load_records("library")[0]
    said = [
        "\n".join(turn["doctor"] for turn in medenv.rollout(doctor, records=[record])[0].turns)
        for name, (_, doctor) in ranking.ladder().items()
        if name.startswith("oracle")
    ]
    assert len(set(said)) == len(said) == 7


def test_the_committed_result_is_of_all_sources(ranking):
    result = json.loads((BENCHMARKS / "results" / "ranking.json").read_text("utf-8"))
    assert set(result["sources"]) == {"library", "synthetic", "agentclinic", "synthea", "aci_bench"}
    assert all(source["tau"] >= ranking.WANTED for source in result["sources"].values())
