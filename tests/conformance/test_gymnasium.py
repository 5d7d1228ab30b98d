"""Gymnasium's own checker, with every warning an error."""

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import medenv
from medenv.envs.spaces import Utterance

FACES = [(id, seat) for id in ("Consultation-v0",) for seat in ("doctor_0", "patient_0")]


@pytest.mark.parametrize(("id", "seat"), FACES)
def test_check_env(id, seat):
    env = medenv.make(id, seat=seat, render_mode="ansi")
    check_env(env.unwrapped)


def test_gymnasium_makes_it():
    env = gymnasium.make("medenv/Consultation-v0", max_turns=3)
    assert env.unwrapped.seat == "doctor_0"
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert info["turn"] == 0
    env.close()


def test_an_imported_module_registers_it():
    env = gymnasium.make("medenv:medenv/Consultation-v0")
    assert env.reset(seed=3)[0]["messages"][0]["role"] == "system"


def test_a_spec_made_again_plays_the_same():
    env = gymnasium.make("medenv/Consultation-v0", max_turns=4)
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert data_equivalence(env.reset(seed=5), again.reset(seed=5))
    message = "When did it start?"
    assert data_equivalence(env.step(message), again.step(message))


def test_the_utterance_space_admits_any_text_up_to_its_length():
    space = Utterance(10, seed=4)
    assert all(text in space for text in ("", "a", "\n\t \u4f60\u597d", "x" * 10, "\x00"))
    assert "x" * 11 not in space
    assert 3 not in space
    samples = [space.sample() for _ in range(50)]
    assert all(sample in space and sample.isprintable() for sample in samples)
    again = Utterance(10, seed=4)
    assert [again.sample() for _ in range(50)] == samples
    assert space == Utterance(10)
    assert space != Utterance(11)


def test_options_choose_record_and_persona():
    env = medenv.make("Consultation-v0", seat="doctor_0")
    _, info = env.reset(seed=0, options={"record": "lib-03", "persona": "neutral"})
    assert (info["record"], info["persona"]) == ("lib-03", "neutral")
    with pytest.raises(medenv.errors.UnknownIdError):
        env.reset(options={"record": "lib-99"})
