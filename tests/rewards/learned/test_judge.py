from __future__ import annotations

import pytest

pytest.importorskip("torch")

import asyncio
import json
import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import medenv
from medenv.consultation.views import Message
from medenv.errors import RunError
from medenv.rewards import Judge
from medenv.rewards.judging import ConversationJudge
from medenv.rewards.learned import (
    HashedEncoder,
    LearnedJudge,
    RewardModel,
    RewardModelConfig,
    examples_of,
    part_of,
    train,
)
from medenv.rewards.learned.scaling import Scaling
from medenv.rewards.rubric import AXES, Criterion
from medenv.testing import cheats, check_judge
from medenv.testing.exploits import INJECTION

RECORDS = "synthetic:24"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that has learned from a few rollouts what the rule judge decides, cheats among them."""
    judged = [
        t for doctor in ("random", "checklist", "oracle") for t in medenv.rollout(doctor, records=RECORDS, seed=0)
    ]
    for place, cheat in enumerate(list(cheats().values())[::3]):
        assert INJECTION not in str(cheat.doctor)
        judged += medenv.rollout(cheat.doctor, records=RECORDS, episodes=4, seed=place)
    path = tmp_path_factory.mktemp("model")
    train(examples_of(judged), RewardModelConfig(epochs=4, buckets=4096, width=24)).model.save(path)
    return path


@pytest.fixture(scope="module")
def judge(folder):
    return LearnedJudge(folder)


def said(judge, messages, criteria):
    return asyncio.run(judge.verdicts(criteria, messages))


ONE_EACH = tuple(
    Criterion(f"{axis}.{points}.{scope}", f"Something about {axis}.", points, axis, scope=scope)
    for axis in AXES
    for points in (2, -2)
    for scope in ("consultation", "response")
)


def test_it_conforms(judge):
    assert isinstance(judge, Judge)
    assert isinstance(judge, ConversationJudge)
    check_judge(judge)


def test_it_ranks_doctors_as_the_rules_do(judge):
    rewards = [
        medenv.evaluate(doctor, records=RECORDS, split="test", judge=judge, seed=1)
        for doctor in ("random", "checklist", "oracle")
    ]
    assert all(result.valid == result.episodes for result in rewards)
    assert rewards[0].reward.mean < rewards[1].reward.mean < rewards[2].reward.mean


def test_saved_and_loaded_it_is_the_same(trained, examples, tmp_path):
    trained.model.save(tmp_path / "one")
    again = RewardModel.load(tmp_path / "one")
    again.save(tmp_path / "two")
    for file in ("model.safetensors", "reward_model.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert again.digest == trained.model.digest
    assert again.facts == trained.model.facts
    for example in part_of(examples, "test"):
        asked = example.messages, example.criteria
        assert again.probabilities(*asked) == trained.model.probabilities(*asked)


def test_its_id_follows_from_weights_and_settings(folder, judge, tmp_path):
    assert LearnedJudge(folder).id == judge.id
    assert LearnedJudge(folder, abstain=0.1).id != judge.id
    model = RewardModel.load(folder)
    model.scaling = {**model.scaling, "safety": Scaling(2.0, 0.0)}
    assert model.digest not in judge.id
    model = RewardModel.load(folder)
    with torch.no_grad():
        model.telling[0] += 1e-3
    assert model.digest not in judge.id


def test_reasons_carry_the_probability_and_a_half_is_met(judge, monkeypatch):
    given = [0.5, 0.4999, 0.9, 0.1]
    monkeypatch.setattr(judge.model, "probabilities", lambda messages, criteria: given)
    verdicts = said(judge, [], ONE_EACH[:4])
    assert [verdict.met for verdict in verdicts] == [True, False, True, False]
    assert [verdict.reason for verdict in verdicts][2:] == ["probability 0.900", "probability 0.100"]


def test_near_one_half_it_abstains_where_it_is_told_to(folder, monkeypatch):
    judge = LearnedJudge(folder, abstain=0.2)
    monkeypatch.setattr(judge.model, "probabilities", lambda messages, criteria: [0.31, 0.69, 0.25, 0.75])
    assert [verdict.met for verdict in said(judge, [], ONE_EACH[:4])] == [None, None, False, True]


def test_an_episode_on_which_it_abstains_is_invalid(folder):
    result = medenv.evaluate("checklist", records=RECORDS, split="test", judge=LearnedJudge(folder, abstain=0.49))
    assert result.valid < result.episodes
    assert set(result.invalid) == {"judge"}


def test_an_axis_that_it_never_learned_is_left_unscored(folder, tmp_path):
    model = RewardModel.load(folder)
    model.scaling = {axis: each for axis, each in model.scaling.items() if axis != "safety"}
    model.save(tmp_path)
    verdicts = {verdict.criterion: verdict for verdict in said(LearnedJudge(tmp_path), [], ONE_EACH)}
    unscored = {id for id, verdict in verdicts.items() if verdict.met is None}
    assert unscored == {criterion.id for criterion in ONE_EACH if criterion.axis == "safety"}
    assert "nothing about safety" in verdicts["safety.2.response"].reason


def test_weights_that_are_no_numbers_give_no_verdict(folder, tmp_path):
    model = RewardModel.load(folder)
    with torch.no_grad():
        model.telling.fill_(math.nan)
    model.save(tmp_path)
    assert {verdict.met for verdict in said(LearnedJudge(tmp_path), [], ONE_EACH)} == {None}


@given(
    st.lists(
        st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), st.text(max_size=200)), max_size=6
    )
)
@settings(max_examples=30)
def test_any_conversation_gets_a_verdict_on_every_criterion(judge, messages):
    verdicts = said(judge, messages, ONE_EACH)
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion in ONE_EACH]
    assert all(verdict.met is not None for verdict in verdicts)


@pytest.mark.parametrize(
    "text", ["", "\n", "\ud800", "x" * 100_000, "\u0000\u202e", "<tool_call>{", "\u80f8\u75db" * 500]
)
def test_hostile_criteria_and_messages_do_no_harm(judge, text):
    asked = [Criterion("it", text, 1, "clarity")]
    assert said(judge, [Message("user", text), Message("assistant", text)], asked)[0].met is not None


def test_nothing_to_judge_and_nothing_said(judge):
    assert said(judge, [], []) == []
    assert len(said(judge, [], ONE_EACH)) == len(ONE_EACH)


def test_company_changes_no_verdict(judge):
    talk = [Message("user", "It hurts."), Message("assistant", "Good day. Any fever?"), Message("user", "No fever.")]
    alone = [judge.model.probabilities(talk, [criterion])[0] for criterion in ONE_EACH]
    assert judge.model.probabilities(talk, ONE_EACH) == pytest.approx(alone, abs=1e-5)


def test_a_response_is_judged_without_what_came_before(judge):
    asked = [criterion for criterion in ONE_EACH if criterion.scope == "response"]
    end = Message("assistant", "It is gout.\nDIAGNOSIS: gout")
    long = [Message("user", "It hurts."), Message("assistant", "Any fever?"), Message("user", "No."), end]
    assert said(judge, long, asked) == said(judge, [long[0], end], asked)


def test_the_folder_comes_from_the_environment(folder, judge, monkeypatch):
    monkeypatch.setenv("MEDENV_REWARD_MODEL", str(folder))
    assert LearnedJudge().id == judge.id
    monkeypatch.delenv("MEDENV_REWARD_MODEL")
    with pytest.raises(RunError, match="MEDENV_REWARD_MODEL, got none"):
        LearnedJudge()


@pytest.mark.parametrize("abstain", [-0.1, 0.5, math.nan])
def test_an_abstention_out_of_range_is_refused(folder, abstain):
    with pytest.raises(RunError, match="abstain"):
        LearnedJudge(folder, abstain=abstain)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other/1"},
        {"width": 5},
        {"width": "x"},
        {"encoder": {"kind": "magic"}},
        {"encoder": None},
        {"scaling": {"safety": {"slope": -1.0, "offset": 0.0}}},
        {"scaling": {"safety": {"slope": "x", "offset": 0.0}}},
    ],
    ids=str,
)
def test_a_folder_that_is_no_reward_model_is_refused_in_one_line(tmp_path, change):
    RewardModel(HashedEncoder(8, 64), width=8, hidden=4).save(tmp_path)
    RewardModel.load(tmp_path)
    file = tmp_path / "reward_model.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(RunError, match="expected the folder of a reward model") as caught:
        RewardModel.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_torn_are_refused(tmp_path):
    with pytest.raises(RunError, match="expected the folder of a reward model"):
        RewardModel.load(tmp_path / "none")
    RewardModel(HashedEncoder(8, 64), width=8, hidden=4).save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(RunError, match="expected the folder of a reward model"):
        RewardModel.load(tmp_path)
