"""Verdicts on disk: asked once, by any number of processes, and never mixed up."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

import medenv
from medenv.agents.backends import Reply
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.seats import DOCTOR
from medenv.consultation.views import Message
from medenv.errors import JudgeError, MedenvError
from medenv.personas import Persona
from medenv.rewards import Check, Criterion, LanguageModelJudge, PanelJudge, RememberedJudge, RuleJudge, Verdict
from medenv.testing.models import Recording

TALK = (Message("user", "My knee hurts."), Message("assistant", "Hello. word0. word2."))
CRITERIA = tuple(Criterion(f"c{n}", f"word{n}.", 2, "safety") for n in range(4))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "verdicts.sqlite"


def judged(judge, criteria=CRITERIA, talk=TALK, **options):
    return asyncio.run(judge.verdicts(criteria, talk, **options))


def remembered(model, path, **options):
    return RememberedJudge(LanguageModelJudge(model, **options), path, version="m")


def test_the_same_verdicts_without_a_call(model, path):
    fresh = judged(remembered(model, path))
    assert [verdict.met for verdict in fresh] == [True, False, True, False]
    assert len(model.requests) == 4
    again = remembered(model, path)
    assert judged(again) == fresh
    assert len(model.requests) == 4
    assert (again.hits, again.misses) == (4, 0)


def test_only_what_is_new_is_asked(model, path):
    judged(remembered(model, path), CRITERIA[:2])
    judge = remembered(model, path)
    verdicts = judged(judge, (CRITERIA[3], CRITERIA[1], CRITERIA[2], CRITERIA[0]))
    assert [verdict.criterion for verdict in verdicts] == ["c3", "c1", "c2", "c0"]
    assert (judge.hits, judge.misses, len(model.requests)) == (2, 2, 4)


def test_a_criterion_is_its_content_and_not_its_name(model, path):
    judged(remembered(model, path), CRITERIA[:1])
    renamed = replace(CRITERIA[0], id="other", points=7, axis="clarity", veto=True)
    assert judged(remembered(model, path), [renamed]) == [Verdict("other", True, "said by a model")]
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "change", [{"text": "word1."}, {"points": -2}, {"scope": "response"}, {"check": Check("asked", ("x",))}]
)
def test_another_criterion_is_asked(model, path, change):
    judged(remembered(model, path), CRITERIA[:1])
    judged(remembered(model, path), [replace(CRITERIA[0], **change)])
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    "talk",
    [
        TALK[:1],
        (*TALK, Message("user", "")),
        (TALK[0], Message("assistant", "Hello. word0. word2. ")),
        (Message("system", "My knee hurts."), TALK[1]),
        (Message("user", "My knee hurts.assistant"), Message("assistant", "Hello. word0. word2.")),
    ],
)
def test_another_conversation_is_judged(model, path, talk):
    judged(remembered(model, path), CRITERIA[:1])
    judged(remembered(model, path), CRITERIA[:1], talk)
    assert len(model.requests) == 2


def test_another_language_or_judge_or_version_is_asked(model, path):
    judged(remembered(model, path), CRITERIA[:1])
    judged(remembered(model, path), CRITERIA[:1], language="de")
    judged(remembered(model, path, temperature=0.5), CRITERIA[:1])
    judged(RememberedJudge(LanguageModelJudge(model), path, version="other"), CRITERIA[:1])
    assert len(model.requests) == 4


def test_verdicts_that_could_not_be_given_are_not_kept(path):
    bad = Recording(ScriptedBackend(lambda request: "well"))
    assert [verdict.met for verdict in judged(remembered(bad, path, retries=0))] == [None] * 4
    assert [verdict.met for verdict in judged(remembered(bad, path, retries=0))] == [None] * 4
    assert len(bad.requests) == 8


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", '{"met": null, "reason": ""}', '{"met": 1, "reason": ""}', b"\xff\xfe\x00", None, 7]
)
def test_an_entry_that_cannot_be_read_counts_as_none_and_is_mended(model, path, junk):
    fresh = judged(remembered(model, path))
    with sqlite3.connect(path) as database:
        if junk is None:
            database.execute("DELETE FROM verdicts")
        else:
            database.execute("UPDATE verdicts SET verdict = ?", (junk,))
    database.close()
    assert judged(remembered(model, path)) == fresh
    assert len(model.requests) == 8
    assert judged(remembered(model, path)) == fresh
    assert len(model.requests) == 8


def test_a_file_that_breaks_later_costs_calls_and_nothing_else(model, path):
    judge = remembered(model, path)
    fresh = judged(judge)
    for file in path.parent.iterdir():
        file.unlink()
    path.write_bytes(b"this is no database, and has never been one" * 100)
    assert judged(judge) == fresh
    with pytest.raises(MedenvError, match="expected a file of verdicts at"):
        remembered(model, path)


def test_the_first_verdict_stands(model, path):
    """Two that ask at the same time about the same come away with the same."""
    said = iter(('{"met": true}', '{"met": false}'))

    class Slow:
        async def complete(self, request):
            text = next(said)
            await asyncio.sleep(0.01)
            return Reply(text)

        async def aclose(self): ...

    async def both():
        judge = remembered(Slow(), path)
        return await asyncio.gather(judge.verdicts(CRITERIA[:1], TALK), judge.verdicts(CRITERIA[:1], TALK))

    one, other = asyncio.run(both())
    assert one == other


FILL = """
import asyncio, json, sys
from medenv.agents.backends import Reply
from medenv.consultation.views import Message
from medenv.rewards import Criterion, LanguageModelJudge, RememberedJudge

class Model:
    async def complete(self, request):
        return Reply(json.dumps({"met": sys.argv[2] == "yes"}))
    async def aclose(self): ...

judge = RememberedJudge(LanguageModelJudge(Model()), sys.argv[1], version="m")
for n in range(0, 60, 5):
    criteria = [Criterion(f"c{k}", f"word{k}", 1, "safety") for k in range(n, n + 5)]
    verdicts = asyncio.run(judge.verdicts(criteria, [Message("assistant", "Hello.")]))
    print(*(verdict.met for verdict in verdicts))
"""


def test_several_processes_share_one_file(path):
    running = [
        subprocess.Popen([sys.executable, "-c", FILL, str(path), said], stdout=subprocess.PIPE, text=True)
        for said in ("yes", "no", "yes")
    ]
    told = [process.communicate(timeout=120)[0].split() for process in running]
    assert all(process.returncode == 0 for process in running)
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 60


# Episodes


def test_episodes_are_judged_once(path):
    model = Recording(ScriptedBackend(lambda request: '{"met": true}'))
    rubric = medenv.rewards.Rubric("r", CRITERIA)

    def run():
        judge = RememberedJudge(LanguageModelJudge(model), path, version="m")
        return medenv.evaluate("random", judge=judge, rubric=rubric, episodes=4, max_turns=3).as_dict()

    first = run()
    calls = len(model.requests)
    assert calls == 16
    assert run() == first
    assert len(model.requests) == calls


def test_the_key_holds_the_record_and_all_that_was_said_but_no_times(model, path, record):
    def view(words, **trace):
        episode = Episode(Scenario(record, Persona("neutral"), 0, 4))
        episode.step(DOCTOR, f"{words}\nDIAGNOSIS: gout (0.9)")
        seen = episode.judge_view()
        return replace(seen, turns=tuple(replace(turn, trace=trace or None) for turn in seen.turns))

    judge = RememberedJudge(RuleJudge(), path)
    check = [Criterion("d", "Names a cause.", 1, "safety", check=Check("leading_diagnosis", ("gout",)))]
    first = asyncio.run(judge.judge(check, view("Hello.", seconds=1.0)))
    assert asyncio.run(judge.judge(check, view("Hello.", seconds=2.0))) == first
    assert judge.hits == 1
    asyncio.run(judge.judge(check, view("Good day.")))
    asyncio.run(judge.judge(check, replace(view("Hello."), record=replace(record, id="other"))))
    assert (judge.hits, judge.misses) == (1, 3)


def test_a_judge_without_an_id_or_a_model_is_refused(path, model):
    class Nameless:
        def judge(self, criteria, view):
            return []

    with pytest.raises(MedenvError, match="expected a judge with an id, got Nameless without one"):
        RememberedJudge(Nameless(), path)
    with pytest.raises(MedenvError, match="expected the name of the judge's model"):
        RememberedJudge(LanguageModelJudge(model), path)
    with pytest.raises(MedenvError, match="expected the name of the judge's model"):
        RememberedJudge(PanelJudge([LanguageModelJudge(model)]), path)
    assert not path.exists()


def test_conversations_need_a_judge_that_can_judge_them(path):
    with pytest.raises(JudgeError, match="expected a judge that can judge a conversation, got rule"):
        judged(RememberedJudge(RuleJudge(), path))
