"""The vector face: what it gives is what Gymnasium's own loop over single environments gives, and waiting is shared."""

import asyncio
import math
import threading
import time

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import given, settings
from hypothesis import strategies as st

import medenv
from medenv import errors
from medenv.agents.patients import patients
from medenv.consultation.seats import settle
from medenv.envs import registration
from medenv.envs.vector import ConsultationVector
from medenv.rewards import judges

ID = "medenv/Consultation-v0"
MODES = list(AutoresetMode)
DOCTOR_SAYS = [
    "Hello, what brings you here?",
    "When did it start?",
    "ORDER: vital signs",
    "",
    "Thank you.\nDIAGNOSIS: influenza (0.6); croup (0.2)\nPLAN: rest",
    "DIAGNOSIS: croup",
]
CLOSING = DOCTOR_SAYS[-1]


@pytest.fixture(scope="module")
def records():
    return list(medenv.load_records("library")[:3])


class Moody:
    """A scripted patient that fails for some seeds, in the second turn."""

    def __init__(self):
        self.scripted = patients.get("scripted")()

    def act(self, view):
        if view.turn == 1 and view.seed % 3 == 0:
            raise RuntimeError("no words")
        return self.scripted.act(view)


class Brief:
    """A doctor that asks, orders a test without a word, and closes, some sooner than others."""

    def act(self, view):
        said = ["Where does it hurt?", "ORDER: vital signs", "When did it start?"][: 1 + view.seed % 3]
        return said[view.turn] if view.turn < len(said) else CLOSING


class Awaited:
    """A patient, doctor or judge that has to be awaited."""

    def __init__(self, inner, seconds=0.0):
        self.inner, self.seconds = inner, seconds

    async def act(self, view):
        await asyncio.sleep(self.seconds)
        return await settle(self.inner.act(view))

    async def judge(self, criteria, view):
        await asyncio.sleep(self.seconds)
        return await settle(self.inner.judge(criteria, view))


class Says:
    """A seat that says the same each time, or raises."""

    def __init__(self, words):
        self.words = words

    def act(self, view):
        if isinstance(self.words, BaseException):
            raise self.words
        return self.words

    def judge(self, criteria, view):
        return self.act(view)


def same(one, other):
    """Whether two results are the same in type, size and value; NaN is the same as NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and same(one.tolist(), other.tolist())
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def spoil(data):
    """Changes everything that can be changed in a result."""
    if isinstance(data, dict):
        for value in data.values():
            spoil(value)
        data.clear()
    elif isinstance(data, (tuple, list)):
        for value in data:
            spoil(value)
        if isinstance(data, list):
            data.clear()
    elif isinstance(data, np.ndarray):
        if data.dtype == object:
            spoil(data.tolist())
        data[...] = 0


def loop(num_envs, mode, **kwargs):
    return gymnasium.make_vec(
        ID, num_envs=num_envs, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **kwargs
    )


def restart(envs, result):
    """In the mode "Disabled", resets what is over."""
    over = result[2] | result[3]
    return envs.reset(options={"reset_mask": over}) if over.any() else None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seat", ["doctor_0", "patient_0"])
def test_it_gives_what_gymnasiums_own_loop_gives(records, mode, seat):
    task = {"records": records, "seat": seat, "patient": Moody(), "max_turns": 4, "doctor": Brief()}
    envs, reference = medenv.make_vec("Consultation-v0", 4, autoreset_mode=mode, **task), loop(4, mode, **task)
    assert isinstance(envs, ConsultationVector)
    assert same(envs.reset(seed=3), reference.reset(seed=3))
    rng = np.random.default_rng(0)
    ends, valid = 0, []
    for _ in range(20):
        actions = tuple(DOCTOR_SAYS[i] for i in rng.integers(len(DOCTOR_SAYS), size=4))
        result, expected = envs.step(actions), reference.step(actions)
        assert same(result, expected)
        assert result[0] in envs.observation_space
        assert [array.dtype for array in result[1:4]] == [np.float64, np.bool_, np.bool_]
        over = result[2] | result[3]
        ends += int(over.sum())
        valid += list((result[4].get("final_info", result[4]))["valid"][over])
        if mode is AutoresetMode.DISABLED:
            assert same(restart(envs, result), restart(reference, expected))
    assert ends > 8
    assert seat == "patient_0" or set(valid) == {True, False}
    assert envs.np_random_seed == reference.np_random_seed
    assert same([rng.random() for rng in envs.np_random], [rng.random() for rng in reference.np_random])


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.sampled_from(DOCTOR_SAYS)] * 3), min_size=1, max_size=9), st.integers(0, 50))
def test_any_sequence_of_ends_is_that_of_single_environments(steps, seed):
    records = list(medenv.load_records("library")[:3])
    task = {"records": records, "patient": Moody(), "max_turns": 3}
    envs = medenv.make_vec("Consultation-v0", 3, **task)
    singles = [medenv.make("Consultation-v0", seat="doctor_0", **task) for _ in range(3)]
    observations, infos = envs.reset(seed=seed)
    results = [(*single.reset(seed=seed + i), 0.0, False, False) for i, single in enumerate(singles)]
    over = [False] * 3
    for actions in [None, *steps]:
        if actions is not None:
            observations, rewards, terminations, truncations, infos = envs.step(actions)
            results = []
            for i, single in enumerate(singles):
                if over[i]:
                    results.append((*single.reset(), 0.0, False, False))
                else:
                    seen, reward, terminated, truncated, info = single.step(actions[i])
                    results.append((seen, info, reward, terminated, truncated))
            over = [result[3] or result[4] for result in results]
            assert same(rewards.tolist(), [result[2] for result in results])
            assert terminations.tolist() == [result[3] for result in results]
            assert truncations.tolist() == [result[4] for result in results]
        assert observations["messages"] == tuple(result[0]["messages"] for result in results)
        assert observations["turn"].tolist() == [result[0]["turn"] for result in results]
        for i, (_, info, *_) in enumerate(results):
            assert {key for key in infos if not key.startswith("_") and infos[f"_{key}"][i]} == info.keys()
            assert all(infos[key][i] == info[key] for key in ("record", "turn", "valid", "cut", "persona"))
            assert "criteria" not in info or infos["criteria"][i] == info["criteria"]
            assert "failure" not in info or infos["failure"]["kind"][i] == info["failure"]["kind"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seat", ["doctor_0", "patient_0"])
def test_seats_and_judges_that_are_awaited_change_nothing(records, mode, seat):
    plain = {"patient": Moody(), "judge": judges.get("rule")(), "doctor": medenv.agents.doctors.doctors.get("random")()}
    awaited = {name: Awaited(inner) for name, inner in plain.items()}
    task = {"records": records, "seat": seat, "max_turns": 3, "autoreset_mode": mode}
    one, other = (medenv.make_vec("Consultation-v0", 5, **task, **seats) for seats in (plain, awaited))
    assert same(one.reset(seed=1), other.reset(seed=1))
    for step in range(8):
        actions = [DOCTOR_SAYS[(step + i) % len(DOCTOR_SAYS)] for i in range(5)]
        result, expected = other.step(actions), one.step(actions)
        assert same(result, expected)
        if mode is AutoresetMode.DISABLED:
            assert same(restart(other, result), restart(one, expected))


class Meeting:
    """A seat and judge that answers once as many are asked as it waits for; alone it would fail."""

    def __init__(self, size, inner):
        self.size, self.inner, self.here = size, inner, 0
        self.all_here = asyncio.Event()

    async def meet(self):
        self.here += 1
        if self.here == self.size:
            self.all_here.set()
        await asyncio.wait_for(self.all_here.wait(), 5)

    async def act(self, view):
        await self.meet()
        return await settle(self.inner.act(view))


def test_all_that_is_awaited_in_a_step_is_awaited_together(records):
    meeting = Meeting(6, Says("I feel ill."))

    class Judge:
        async def judge(self, criteria, view):
            await meeting.meet()
            return judges.get("rule")().judge(criteria, view)

    envs = medenv.make_vec("Consultation-v0", 6, records=records, patient=meeting, judge=Judge())
    envs.reset(seed=0)
    _, _, terminations, truncations, infos = envs.step(["Hello."] * 3 + [CLOSING] * 3)
    assert infos["valid"].all()
    assert terminations.tolist() == [False] * 3 + [True] * 3
    assert not truncations.any()


def test_a_step_takes_about_one_latency(records):
    latency, size = 0.05, 64
    task = {"records": records, "patient": Awaited(Says("I feel ill."), latency), "max_turns": 9}
    envs = medenv.make_vec("Consultation-v0", size, judge=Awaited(judges.get("rule")(), latency), **task)
    envs.reset(seed=0)
    envs.step(["Hello."] * size)
    for actions in (["When did it start?"] * size, [CLOSING] * size):
        start = time.perf_counter()
        infos = envs.step(actions)[-1]
        assert time.perf_counter() - start < 10 * latency
        assert infos["valid"].all()


def test_plain_seats_and_judges_need_no_event_loop(records, monkeypatch):
    monkeypatch.setattr("medenv.envs.sitting.settle_now", lambda value: pytest.fail("an event loop was asked for"))
    envs = medenv.make_vec("Consultation-v0", 2, records=records, max_turns=2)
    envs.reset(seed=0)
    assert envs.step(["Hello.", CLOSING])[-1]["valid"].all()


def test_a_message_that_is_too_long_is_cut_and_said_so(records):
    envs = medenv.make_vec("Consultation-v0", 2, records=records, max_chars=100)
    envs.reset(seed=0)
    assert envs.step(["a" * 103, "Hello."])[-1]["cut"].tolist() == [3, 0]


def test_plain_seats_and_judges_stay_in_the_callers_thread(records):
    threads = set()

    class Here(Says):
        def act(self, view):
            threads.add(threading.get_ident())
            return super().act(view)

    class Judge:
        def judge(self, criteria, view):
            threads.add(threading.get_ident())
            return judges.get("rule")().judge(criteria, view)

    def lazily(view):
        threads.add(threading.get_ident())
        return asyncio.sleep(0, "I feel ill.")

    lazy = Says("")
    lazy.act = lazily
    for patient in (Here("I feel ill."), lazy):
        envs = medenv.make_vec("Consultation-v0", 3, records=records, patient=patient, judge=Judge(), max_turns=2)
        envs.reset(seed=0)
        for _ in range(2):
            _, rewards, _, truncations, _ = envs.step(["Hello."] * 3)
        assert truncations.all()
        assert not np.isnan(rewards).any()
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    "actions",
    [
        ["Hello.", "Hello.", None],
        ["Hello.", b"Hello.", "Hello."],
        [CLOSING, 3, "Hello."],
        ["Hello."] * 2,
        ["Hello."] * 4,
        [],
        "abc",
        "Hello.",
        None,
        {"Hello.": 0},
        np.array("Hello."),
        np.array([1, 2, 3]),
    ],
)
def test_a_bad_action_loses_nothing(records, actions):
    task = {"records": records, "max_turns": 3}
    envs, twin = (medenv.make_vec("Consultation-v0", 3, **task) for _ in range(2))
    for each in (envs, twin):
        each.reset(seed=2)
        each.step([CLOSING, "Hello.", "When did it start?"])
    with pytest.raises(errors.ActionError, match=r"expected .*, got") as caught:
        envs.step(actions)
    assert "\n" not in str(caught.value)
    for _ in range(3):
        assert same(envs.step(["Where?"] * 3), twin.step(["Where?"] * 3))


def test_the_action_of_a_consultation_that_is_over_is_ignored(records):
    envs = medenv.make_vec("Consultation-v0", 2, records=records)
    envs.reset(seed=0)
    assert envs.step((CLOSING, "Hello."))[2].tolist() == [True, False]
    observations, rewards, terminations, _, infos = envs.step((None, "Hello."))
    assert observations["turn"].tolist() == [0, 2]
    assert (rewards[0], terminations[0], infos["turn"][0]) == (0.0, False, 0)


def test_actions_may_be_an_array(records):
    envs, twin = (medenv.make_vec("Consultation-v0", 2, records=records) for _ in range(2))
    assert same(envs.reset(seed=0), twin.reset(seed=0))
    assert same(envs.step(np.array(["Hello.", CLOSING])), twin.step(["Hello.", CLOSING]))


def test_steps_out_of_order(records):
    envs = medenv.make_vec("Consultation-v0", 3, records=records, autoreset_mode="Disabled", render_mode="ansi")
    for call in (lambda: envs.step(["Hello."] * 3), envs.render):
        with pytest.raises(errors.EpisodeOverError, match="reset"):
            call()
    with pytest.raises(errors.EpisodeOverError, match="reset"):
        envs.reset(options={"reset_mask": np.array([True, False, False])})
    envs.reset(seed=0)
    envs.step([CLOSING, "Hello.", CLOSING])
    with pytest.raises(errors.EpisodeOverError, match=r"over \(0, 2\)"):
        envs.step(["Hello."] * 3)
    observations, infos = envs.reset(options={"reset_mask": np.array([True, False, False])})
    assert observations["turn"].tolist() == [0, 1, 1]
    assert infos["_turn"].tolist() == [True, False, False]
    with pytest.raises(errors.EpisodeOverError, match=r"over \(2\)"):
        envs.step(["Hello."] * 3)
    envs.reset(options={"reset_mask": np.array([False, False, True])})
    assert envs.step(["Hello."] * 3)[0]["turn"].tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_envs": 0}, errors.MedenvError),
        ({"num_envs": 2.5}, errors.MedenvError),
        ({"seat": "nurse_0"}, errors.SeatError),
        ({"autoreset_mode": "sometimes"}, errors.MedenvError),
        ({"doctor": "nobody"}, errors.UnknownIdError),
        ({"max_turns": 0}, errors.MedenvError),
    ],
)
def test_arguments_that_do_not_fit(arguments, error):
    with pytest.raises(error) as caught:
        medenv.make_vec("Consultation-v0", **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": [1, 2]},
        {"options": {"reset_mask": [True, False, True]}},
        {"options": {"reset_mask": np.array([1, 0, 1])}},
        {"options": {"reset_mask": np.array([True] * 4)}},
        {"options": {"reset_mask": np.zeros(3, bool)}},
        {"seed": 7, "options": {"record": "lib-99999"}},
    ],
)
def test_a_reset_that_does_not_fit_loses_nothing(records, arguments):
    envs, twin = (medenv.make_vec("Consultation-v0", 3, records=records) for _ in range(2))
    assert same(envs.reset(seed=2), twin.reset(seed=2))
    with pytest.raises(errors.MedenvError) as caught:
        envs.reset(**arguments)
    assert "\n" not in str(caught.value)
    for _ in range(3):
        assert same(envs.step([CLOSING, "Hello.", "Where?"]), twin.step([CLOSING, "Hello.", "Where?"]))


def test_options_choose_record_and_persona_and_are_left_alone(records):
    envs = medenv.make_vec("Consultation-v0", 3, records=records)
    options = {"record": records[1].id, "reset_mask": np.ones(3, bool)}
    _, infos = envs.reset(seed=0, options=options)
    assert infos["record"].tolist() == [records[1].id] * 3
    assert options.keys() == {"record", "reset_mask"}


def test_seeds(records):
    task = {"records": records, "max_turns": 3}
    envs = medenv.make_vec("Consultation-v0", 3, **task)
    apart = medenv.make_vec("Consultation-v0", 3, **task)
    assert same(envs.reset(seed=5), apart.reset(seed=[5, 6, 7]))
    assert same(envs.reset(seed=np.int64(5)), apart.reset(seed=(5, 6, 7)))
    assert envs.np_random_seed == (5, 6, 7)
    first = envs.reset(seed=[5, None, None])[1]["record"][0]
    assert first == medenv.make("Consultation-v0", seat="doctor_0", **task).reset(seed=5)[1]["record"]
    drawn = [generator.bit_generator.state for generator in envs.np_random]
    envs.step(["Hello."] * 3)
    assert drawn == [generator.bit_generator.state for generator in envs.np_random]
    mask = np.array([False, True, False])
    envs.reset(seed=40, options={"reset_mask": mask})
    assert envs.np_random_seed[1] == 41
    assert envs.np_random_seed[0] == 5


def test_the_spaces(records):
    task = {"records": records, "max_turns": 3}
    envs, reference = medenv.make_vec("Consultation-v0", 3, **task), loop(3, "NextStep", **task)
    for name in ("single_observation_space", "single_action_space", "observation_space", "action_space"):
        assert getattr(envs, name) == getattr(reference, name)
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert observations["turn"].dtype == np.int64
    envs.action_space.seed(0)
    for _ in range(4):
        actions = envs.action_space.sample()
        assert actions in envs.action_space
        assert envs.step(actions)[0] in envs.observation_space


@pytest.mark.parametrize("mode", MODES)
def test_what_is_returned_is_the_callers_own(records, mode):
    envs, twin = (
        medenv.make_vec("Consultation-v0", 3, records=records, max_turns=3, patient=Moody(), autoreset_mode=mode)
        for _ in range(2)
    )
    spoil(envs.reset(seed=1))
    twin.reset(seed=1)
    for step in range(9):
        actions = [DOCTOR_SAYS[(step + 2 * i) % len(DOCTOR_SAYS)] for i in range(3)]
        result, expected = envs.step(actions), twin.step(actions)
        assert same(result, expected)
        if mode is AutoresetMode.DISABLED:
            restarted = restart(envs, result)
            assert same(restarted, restart(twin, expected))
            spoil(restarted)
        spoil(result)


class Gone:
    """Awaits something that was cancelled."""

    async def act(self, view):
        raise asyncio.CancelledError

    async def judge(self, criteria, view):
        raise asyncio.CancelledError


FAILING = {
    "RuntimeError": RuntimeError("down"),
    "TimeoutError": TimeoutError(),
    "BackendError": errors.BackendError("down", kind="timeout"),
    "nothing": None,
    "number": 3,
}


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("what", [*FAILING, "CancelledError", "AttributeError"])
@pytest.mark.parametrize("part", ["patient", "judge"])
def test_what_fails_spoils_its_own_consultations_only(records, what, part, awaited):
    good = patients.get("scripted")() if part == "patient" else judges.get("rule")()
    bad = Says(FAILING[what]) if what in FAILING else Gone() if what == "CancelledError" else object()
    bad, good = (Awaited(bad), Awaited(good)) if awaited else (bad, good)

    class Sometimes:
        """Fails for one record only."""

        def act(self, view):
            return (bad if view.facts == records[1].facts else good).act(view)

        def judge(self, criteria, view):
            return (bad if view.record == records[1] else good).judge(criteria, view)

    task = {"records": records, part: Sometimes(), "max_turns": 3}
    envs, reference = medenv.make_vec("Consultation-v0", 4, **task), loop(4, "NextStep", **task)
    envs.reset(seed=1)
    assert set(reference.reset(seed=1)[1]["record"]) > {records[1].id}
    failed = False
    for actions in (["Hello."] * 4, ["Hello.", CLOSING, CLOSING, "Hello."], [CLOSING] * 4):
        result, expected = envs.step(actions), reference.step(actions)
        assert same(result, expected)
        invalid = ~result[4]["valid"]
        assert (np.isnan(result[1]) == invalid).all()
        assert (result[4]["record"][invalid] == records[1].id).all()
        for index in np.flatnonzero(invalid):
            kind, reason = (result[4]["failure"][name][index] for name in ("kind", "reason"))
            assert kind == ("backend" if (part, what) == ("patient", "BackendError") else part)
            assert reason.startswith(what) or not what.endswith("Error")
        failed = failed or invalid.any()
    assert failed


def test_a_rubric_that_fails(records):
    def rubric(record):
        raise ValueError("no rubric")

    envs = medenv.make_vec("Consultation-v0", 2, records=records, rubric=rubric)
    envs.reset(seed=0)
    _, rewards, _, truncations, infos = envs.step([CLOSING, "Hello."])
    assert math.isnan(rewards[0])
    assert truncations.tolist() == [True, False]
    assert infos["failure"]["kind"][0] == "judge"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("awaited", [False, True])
def test_a_consultation_whose_doctor_fails_at_once_says_so_with_the_next_step(records, mode, awaited):
    doctor = Says(RuntimeError("down"))
    doctor = Awaited(doctor) if awaited else doctor
    task = {"records": records, "seat": "patient_0", "doctor": doctor, "autoreset_mode": mode}
    envs = medenv.make_vec("Consultation-v0", 2, **task)
    assert not envs.reset(seed=0)[1]["valid"].any()
    _, rewards, terminations, truncations, infos = envs.step(["Hello."] * 2)
    told = infos.get("final_info", infos)
    assert truncations.all()
    assert not terminations.any()
    assert np.isnan(rewards).all()
    assert told["failure"]["kind"].tolist() == ["doctor"] * 2


@pytest.mark.parametrize("mode", MODES)
def test_a_consultation_whose_doctor_closes_at_once_says_so_with_the_next_step(records, mode):
    class Hasty:
        def act(self, view):
            return CLOSING if view.seed % 2 else "Where does it hurt?"

    envs = medenv.make_vec("Consultation-v0", 6, records=records, seat="patient_0", doctor=Hasty(), autoreset_mode=mode)
    hasty = envs.reset(seed=0)[1]["turn"] == 1
    assert 0 < hasty.sum() < 6
    _, _, terminations, truncations, infos = envs.step(["It hurts."] * 6)
    assert terminations.tolist() == hasty.tolist()
    assert not truncations.any()
    assert mode is AutoresetMode.SAME_STEP or infos["turn"].tolist() == [1] * 6
    if mode is AutoresetMode.NEXT_STEP:
        _, _, terminations, _, infos = envs.step(["It hurts."] * 6)
        assert not (terminations & hasty).any()
        assert (infos["turn"][hasty] == 1).any()


@pytest.mark.parametrize("mode", MODES)
def test_episode_statistics(records, mode):
    envs = RecordEpisodeStatistics(medenv.make_vec("Consultation-v0", 2, records=records, autoreset_mode=mode))
    envs.reset(seed=0)
    envs.step(["Hello."] * 2)
    _, rewards, _, _, infos = envs.step([CLOSING, "Where?"])
    assert infos["_episode"].tolist() == [True, False]
    assert (infos["episode"]["l"][0], infos["episode"]["r"][0]) == (2, rewards[0])
    if mode is AutoresetMode.DISABLED:
        envs.reset(options={"reset_mask": np.array([True, False])})
    elif mode is AutoresetMode.NEXT_STEP:
        envs.step([CLOSING, "ORDER: vital signs"])
    *_, infos = envs.step([CLOSING, CLOSING])
    assert infos["episode"]["l"].tolist() == [1, 4 if mode is AutoresetMode.NEXT_STEP else 3]
    assert list(envs.length_queue) == [2, *infos["episode"]["l"]]


def test_a_thousand_share_one_task(records, monkeypatch):
    loaded = []
    real = medenv.envs.task.load_records
    monkeypatch.setattr("medenv.envs.task.load_records", lambda source: loaded.append(source) or real(source))
    envs = medenv.make_vec("Consultation-v0", 1024, records=records)
    _, infos = envs.reset(seed=0)
    assert set(infos["record"]) == {record.id for record in records}
    assert envs.step([CLOSING] * 1024)[2].all()
    assert len(loaded) == 1


def test_render(records, capsys):
    envs = medenv.make_vec("Consultation-v0", 2, records=records, render_mode="ansi")
    reference = loop(2, "NextStep", records=records, render_mode="ansi")
    for each in (envs, reference):
        each.reset(seed=0)
        each.step(["Hello.", "Where?"])
    assert envs.render() == reference.render()
    assert "Where?" in envs.render()[1]
    assert capsys.readouterr().out == ""
    for mode in MODES:
        printed = []
        human = {"records": records, "render_mode": "human"}
        for each in (medenv.make_vec("Consultation-v0", 2, autoreset_mode=mode, **human), loop(2, mode, **human)):
            each.reset(seed=0)
            each.step(["Hello.", CLOSING])
            printed.append(sorted(capsys.readouterr().out.splitlines()))
            assert isinstance(each, gymnasium.vector.SyncVectorEnv) or each.render() is None
        assert printed[0] == printed[1] != []


@pytest.mark.parametrize("mode", MODES)
def test_gymnasium_makes_it(mode):
    envs = gymnasium.make_vec(ID, num_envs=2, max_turns=3, autoreset_mode=mode)
    assert isinstance(envs, ConsultationVector)
    assert envs.metadata["autoreset_mode"] is mode
    assert ConsultationVector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.spec.id == ID
    assert same(envs.reset(seed=1), medenv.make_vec("Consultation-v0", 2, max_turns=3).reset(seed=1))
    envs.close()
    assert envs.closed


def test_a_spec_made_again_plays_the_same():
    envs = medenv.make_vec("Consultation-v0", 2, max_turns=4, autoreset_mode="SameStep")
    again = gymnasium.make_vec(gymnasium.envs.registration.EnvSpec.from_json(envs.spec.to_json()))
    assert same(envs.reset(seed=5), again.reset(seed=5))
    assert same(envs.step(["Hello.", CLOSING]), again.step(["Hello.", CLOSING]))


def test_the_registry_knows_it(monkeypatch, capsys):
    assert medenv.spec("Consultation-v0").vector_entry_point == "medenv.envs.vector:ConsultationVector"
    medenv.pprint_registry()
    assert "Gymnasium vector" in capsys.readouterr().out
    with pytest.raises(errors.UnknownIdError):
        medenv.make_vec("Consultation-v1")
    monkeypatch.setattr(registration, "spec", lambda id: medenv.EnvironmentSpec(id, "x:y"))
    with pytest.raises(errors.MedenvError, match="Gymnasium face"):
        medenv.make_vec("Consultation-v0")
