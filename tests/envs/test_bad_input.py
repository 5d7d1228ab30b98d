"""What a caller gets wrong: one line that says what was expected and what came, with a type from medenv.errors."""

import pytest

import medenv
from medenv import errors
from medenv.envs import consultation_v0

CLOSING = "DIAGNOSIS: influenza\nPLAN: rest"


@pytest.fixture
def seat():
    env = medenv.make("Consultation-v0", seat="doctor_0")
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("action", [None, 3, 2.5, b"hello", ["hello"], {"text": "hello"}])
def test_an_action_that_is_no_string(seat, action):
    with pytest.raises(errors.ActionError, match=r"expected .* str, got"):
        seat.step(action)
    assert seat.step("Hello.")[4]["turn"] == 1


def test_a_step_after_the_end(seat):
    assert seat.step(CLOSING)[2]
    with pytest.raises(errors.EpisodeOverError, match="after the end"):
        seat.step("Hello?")


def test_a_step_before_the_beginning():
    for env in (medenv.make("Consultation-v0", seat="doctor_0"), medenv.make("Consultation-v0")):
        with pytest.raises(errors.EpisodeOverError, match="reset"):
            env.step("Hello.")
    with pytest.raises(errors.EpisodeOverError, match="reset"):
        consultation_v0.parallel_env().step({"doctor_0": "Hello."})


def test_an_aec_step_after_the_end():
    env = medenv.make("Consultation-v0")
    env.reset(seed=0)
    env.step(CLOSING)
    with pytest.raises(errors.EpisodeOverError):
        env.step("Hello?")
    env.step(None)
    env.step(None)
    assert env.agents == []
    with pytest.raises(errors.EpisodeOverError):
        env.step(None)


def test_a_step_for_the_wrong_seat():
    env = consultation_v0.parallel_env()
    env.reset(seed=0)
    with pytest.raises(errors.SeatError, match="doctor_0"):
        env.step({"patient_0": "I feel ill."})
    with pytest.raises(errors.SeatError, match="nurse_0"):
        env.step({"nurse_0": "Hello.", "doctor_0": "Hello."})
    with pytest.raises(errors.SeatError, match="expected a seat"):
        medenv.make("Consultation-v0", seat="nurse_0")
    with pytest.raises(errors.SeatError):
        env.observation_space("nurse_0")
    episode = env._session.episode
    with pytest.raises(errors.SeatError, match="expected a step for 'doctor_0', got one for 'patient_0'"):
        episode.step("patient_0", "I feel ill.")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"persona": "nobody"}, errors.UnknownIdError),
        ({"patient": "nobody"}, errors.UnknownIdError),
        ({"judge": "nobody"}, errors.UnknownIdError),
        ({"rubric": "nothing"}, errors.UnknownIdError),
        ({"records": "/no/such/file.json"}, errors.RecordError),
        ({"records": []}, errors.RecordError),
        ({"records": ["not a record"]}, errors.RecordError),
        ({"split": "tomorrow"}, errors.UnknownIdError),
        ({"max_turns": 0}, errors.MedenvError),
        ({"normalisation": "zscore"}, errors.MedenvError),
        ({"orders": "guess"}, errors.MedenvError),
    ],
)
def test_arguments_that_do_not_fit(arguments, error):
    for seat in (None, "doctor_0"):
        with pytest.raises(error) as caught:
            medenv.make("Consultation-v0", seat=seat, **arguments)
        assert isinstance(caught.value, errors.MedenvError)
        assert "\n" not in str(caught.value)


def test_an_unknown_environment():
    with pytest.raises(errors.UnknownIdError, match="Consultation-v0"):
        medenv.make("Consultation-v1")
    with pytest.raises(errors.MedenvError, match="registered already"):
        medenv.register("Consultation-v0", "x:y")


def test_text_beyond_the_limit_is_cut_and_said_so(seat):
    limit = seat.unwrapped.task.max_chars
    _, _, _, _, info = seat.step("a" * (1 << 20))
    assert info["cut"] == (1 << 20) - limit
    assert seat.step("Hello.")[4]["cut"] == 0
