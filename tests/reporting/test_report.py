from __future__ import annotations

import copy
import json
import re
import sys
from html.parser import HTMLParser

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from medenv.errors import MissingExtraError, RunError
from medenv.reporting import read_summary, write_report, write_summary
from medenv.rewards import Scoring
from medenv.rollout import evaluate, rollout

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> & $\\frac{1}{2}$ --> ]]> \u202e\u0301 {{ 7 * 7 }}'
VOID = {"meta", "br", "img", "link", "input", "hr", "path", "use", "rect"}


class Hostile:
    def __init__(self, fail=False):
        self.fail = fail

    def act(self, view):
        if self.fail and view.seed % 3 == 0:
            raise RuntimeError(HOSTILE)
        if view.turn < 2:
            return f"Good morning. {HOSTILE}\nORDER: ECG; {HOSTILE[:60]}\nDIAGNOSIS: (nan)"
        return f"Goodbye.\nDIAGNOSIS: {HOSTILE[:60].replace(';', '')} (0.5)\nPLAN: rest"


class Page(HTMLParser):
    """Reads a page: its text, its tags, and whether they are balanced."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.open, self.attributes = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def said(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def safe(path):
    """The page, after checks that hold for every report."""
    content = path.read_bytes().decode("utf-8")
    page = Page(content)
    assert not {"script", "img", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href", "action"):
            assert value.startswith("#")
    outside = re.sub(r'xmlns(:\w+)?="[^"]*"', "", content)
    assert not re.search(r"url\((?!#)|@import|https?://(?!host)", outside)
    return page


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    doctors = []
    for name, seeds in (("random", [None]), ("warm start", [0, 1]), ("trained", [0, 1]), ("oracle", [None])):
        for seed in seeds:
            id = name if seed is None else {"warm start": "random", "trained": "checklist"}[name]
            file = folder / f"{name.replace(' ', '-')}-{seed}.jsonl"
            result = evaluate(id, episodes=9, seed=seed or 0, out=file)
            doctors.append({"doctor": name, "seed": seed, "evaluation": result.as_dict()})
    summary = {
        "format": "medenv.summary/1",
        "title": "A run & its numbers",
        "command": "python train.py --out <here>",
        "versions": {"medenv": "0.1.0"},
        "settings": {"grpo": {"steps": 3, "rate": 0.001}, "names": ["a", "b"], "none": None},
        "notes": ["Only twelve conditions."],
        "seeds": [
            {
                "seed": seed,
                "seconds": 12.4,
                "curve": [{"step": k, "reward": k / 10 + seed, "loss": 1.0} for k in range(3)],
            }
            for seed in (0, 1)
        ],
        "evaluations": [
            {"records": "held-out", "description": "Not seen in training.", "doctors": doctors},
            {"records": "library", "doctors": doctors[:2]},
        ],
        "transcripts": [
            {"title": "before", "file": "warm-start-0.jsonl"},
            {"title": "after", "file": "trained-0.jsonl"},
        ],
    }
    write_summary(summary, folder)
    return folder, summary


def test_a_run_folder(summary, tmp_path):
    folder, data = summary
    path = write_report(folder)
    assert path == folder / "report.html"
    page = safe(path)
    means = {}
    for one in data["evaluations"][0]["doctors"]:
        means.setdefault(one["doctor"], []).append(one["evaluation"]["reward"]["mean"])
    for doctor, values in means.items():
        assert f"{doctor} " in page.said
        assert f"{sum(values) / len(values):z.3f}" in page.said
        if len(values) > 1:
            assert f"seed 0: {values[0]:z.3f} · seed 1: {values[1]:z.3f}" in page.said
    for words in (
        "A run & its numbers",
        "python train.py --out <here>",
        "Only twelve conditions.",
        "Learning curve",
        "Reward by axis",
        "must-ask facts elicited",
        "Metrics beside the reward",
        "grade of the diagnosis",
        "Brier score of the differential",
        "Scoring: healthbench, veto.",
        "Transcript: before",
        "Transcript: after",
        "grpo.steps 3",
        "seed 0 12 s, seed 1 12 s.",
        "Reward on library",
        "before training",
    ):
        assert words in page.said
    assert page.tags.count("svg") == 4
    cases = re.findall(r"record (lib-\d+)", page.said)
    assert len(cases) == 2
    assert len(set(cases)) == 1
    assert write_report(folder / "summary.json", tmp_path / "deep" / "x.html").read_bytes() == path.read_bytes()


def test_a_trajectory_file(tmp_path):
    trajectories = rollout("checklist", out=tmp_path / "x.jsonl")
    page = safe(write_report(tmp_path / "x.jsonl"))
    assert (tmp_path / "x.html").exists()
    assert "Learning curve" not in page.said
    best = max(trajectories, key=lambda t: t.reward)
    assert f"record {best.record}" in page.said
    for turn in best.turns:
        for text in (turn["doctor"], *(result["text"] for result in turn["results"]), turn["reply"] or ""):
            for line in text.split("\n"):
                assert re.sub(r"\s+", " ", line.strip()) in page.said
    for line in best.score["criteria"]:
        assert re.sub(r"\s+", " ", line["text"]) in page.said
    assert f"= {best.reward:.3f}" in page.said
    for words in ("Best reward", "Middle reward", "Worst reward", "Done well", "Missed", "Rightly avoided"):
        assert words in page.said


@pytest.mark.parametrize("fail", [False, True])
def test_hostile_text_stays_text(tmp_path, fail):
    trajectories = rollout(Hostile(fail), out=tmp_path / "x.jsonl")
    page = safe(write_report(tmp_path / "x.jsonl"))
    assert re.sub(r"\s+", " ", HOSTILE) in page.said
    assert "{{ 7 * 7 }}" in page.said
    if fail:
        assert any(not t.valid for t in trajectories)
        assert "Invalid, so there is no score. doctor: RuntimeError" in page.said
        assert "by the doctor" in page.said


def test_hostile_names_stay_text(summary, tmp_path):
    folder, data = summary
    hostile = copy.deepcopy(data)
    hostile.update(
        title=HOSTILE, command=HOSTILE, notes=[HOSTILE], versions={HOSTILE: HOSTILE}, settings={HOSTILE: HOSTILE}
    )
    for entry in hostile["evaluations"]:
        entry.update(records=HOSTILE, description=HOSTILE)
        for one in entry["doctors"]:
            one["doctor"] = HOSTILE + one["doctor"] if one["seed"] is None else "_" + one["doctor"]
    for one in hostile["transcripts"]:
        one.update(title=HOSTILE, file=str(folder / one["file"]))
    write_summary(hostile, tmp_path)
    assert re.sub(r"\s+", " ", HOSTILE) in safe(write_report(tmp_path)).said


def test_a_run_in_which_nothing_is_valid(tmp_path):
    class Broken:
        def act(self, view):
            raise OSError("gone")

    rollout(Broken(), episodes=2, out=tmp_path / "x.jsonl")
    page = safe(write_report(tmp_path / "x.jsonl"))
    assert "0 of 2" in page.said
    assert "none" in page.said


def test_weights_and_penalties_are_shown_and_add_up(tmp_path):
    scoring = Scoring(weights={"safety": 3, "clarity": 0}, turn=1, free_turns=2)
    trajectories = rollout("checklist", episodes=1, out=tmp_path / "x.jsonl", scoring=scoring)
    page = safe(write_report(tmp_path / "x.jsonl"))
    score = trajectories[0].score
    assert "Scoring: healthbench, veto, safety x 3, clarity x 0, -1 a turn beyond 2." in page.said
    assert f"turns: turns beyond 2: {len(trajectories[0].turns) - 2}" in page.said
    total = sum(line["awarded"] for line in (*score["criteria"], *score["adjustments"]))
    assert f"{total} / {score['denominator']} = {score['reward']:.3f}" in page.said
    for line in score["criteria"]:
        if line["axis"] == "safety":
            shown = f"{line['text']} safety {line['awarded']} of {line['points'] * 3}".replace("-", "\u2212")
            assert re.sub(r"\s+", " ", shown) in page.said.replace("-", "\u2212")


def test_no_zero_has_a_sign(summary, tmp_path):
    data = copy.deepcopy(summary[1])
    for one in (one for evaluation in data["evaluations"] for one in evaluation["doctors"]):
        one["evaluation"]["reward"] |= {"mean": -0.0002, "low": -0.0004, "high": -0.0001}
    write_summary({**data, "transcripts": []}, tmp_path)
    said = safe(write_report(tmp_path)).said
    assert "0.000" in said
    assert not re.search(r"[-\u2212]0\.0+(?!\d)", said)


def test_the_least_that_a_summary_may_hold(summary, tmp_path):
    least = {"format": "medenv.summary/1", "title": "Nothing yet", "seeds": [], "evaluations": []}
    write_summary(least, tmp_path)
    assert read_summary(tmp_path / "summary.json") == least
    assert "Nothing yet" in safe(write_report(tmp_path)).said


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("format", "other/1"),
        ("title", ""),
        ("seeds", [{"seed": -1, "curve": []}]),
        ("seeds", [{"seed": 0, "curve": [{"step": 1}]}]),
        ("evaluations", [{"records": "x", "doctors": []}]),
        ("evaluations", [{"records": "x", "doctors": [{"doctor": "d", "evaluation": {"reward": {}}}]}]),
        ("surprise", 1),
    ],
)
def test_a_summary_that_does_not_fit_is_named_by_its_field(summary, tmp_path, place, value):
    wrong = {**summary[1], place: value}
    with pytest.raises(RunError, match="field") as caught:
        write_summary(wrong, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "summary.json").write_text(json.dumps(wrong))
    with pytest.raises(RunError, match="field"):
        write_report(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\ufeff{}"])
def test_files_that_are_no_summary(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(RunError) as caught:
        write_report(tmp_path)
    assert "\n" not in str(caught.value)


def test_places_where_nothing_is(tmp_path):
    for source in (tmp_path, tmp_path / "no.jsonl", tmp_path / "no.json", "\0"):
        with pytest.raises(RunError):
            write_report(source)


def test_a_page_that_cannot_be_written(tmp_path):
    rollout("random", episodes=1, out=tmp_path / "x.jsonl")
    with pytest.raises(RunError, match="can be written"):
        write_report(tmp_path / "x.jsonl", tmp_path)


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, library):
    rollout("random", episodes=1, out=tmp_path / "x.jsonl")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'medenv-rl\[report\]'"):
        write_report(tmp_path / "x.jsonl")
    assert not (tmp_path / "x.html").exists()
