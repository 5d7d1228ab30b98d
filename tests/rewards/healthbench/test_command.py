from __future__ import annotations

import json

import pytest
import typer

from medenv.cli.healthbench import healthbench
from medenv.errors import RubricError, RunError
from medenv.rewards import Verdict
from medenv.rewards.healthbench import load_examples, make_responder, run_healthbench
from medenv.rewards.judging import judges

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(healthbench)


class LongJudge:
    """Every criterion of odd number is met; fails on responses about p1 where told to."""

    id = "long"
    failing = False

    async def verdicts(self, criteria, messages, *, language="en"):
        if self.failing and "fails" in messages[-1].content:
            raise ValueError("the judge is gone")
        return [Verdict(criterion.id, int(criterion.id) % 2 == 1) for criterion in criteria]


class FailingJudge(LongJudge):
    failing = True


@pytest.fixture(autouse=True)
def judge(monkeypatch):
    monkeypatch.setitem(judges._entries, "long", LongJudge)
    monkeypatch.setitem(judges._entries, "failing", FailingJudge)


@pytest.fixture
def file(write, row):
    rows = [
        row(f"p{n}", points=(5, 5, 10 - n), ideal_completions_data={"ideal_completion": said, **group})
        for n, (said, group) in enumerate(
            [("one", {"ideal_completions_group": "Group 1"}), ("it fails", {"ideal_completions_group": "Group 2"})]
        )
    ]
    return write([*rows, row("bare")], "full.jsonl")


def run(capsys, *arguments):
    app(args=[str(argument) for argument in arguments], standalone_mode=False)
    told = capsys.readouterr()
    return told.out, told.err


def test_json_holds_the_report_and_nothing_else(capsys, file):
    out, err = run(capsys, file, "--responder", "ideal", "--judge", "long", "--json", "-q")
    assert err == ""
    data = json.loads(out)
    report = run_healthbench(load_examples(file), "ideal", LongJudge())
    assert {name: data[name] for name in report.as_dict()} == report.as_dict()
    assert data["metrics"]["score"] == data["metrics"]["overall_score"] == (15 / 20 + 14 / 19) / 2
    assert data["settings"]["responder"] == "ideal"
    assert data["parts"] == {}


def test_people_get_tables_and_a_bar(capsys, file, tmp_path):
    out, err = run(capsys, file, "--responder", "random", "--judge", "long", "--repeats", 2, "-o", tmp_path / "r.jsonl")
    assert "responses" in err
    assert "6/6" in err
    for part in ("examples", "6, 6 valid", "overall", "hedging", "accuracy", "bootstrap std", "worst at k"):
        assert part in out
    assert f"6 responses in {tmp_path / 'r.jsonl'}" in out.replace("\n", "")
    again, _ = run(capsys, file, "--responder", "random", "--judge", "long", "--repeats", 2, "-o", tmp_path / "r.jsonl")
    assert again == out


def test_failures_are_told_with_their_reason(capsys, file):
    out, _ = run(capsys, file, "--responder", "ideal", "--judge", "failing", "-q")
    assert "2, 1 valid, 1 failed (judge)" in out
    assert "ValueError: the judge is gone" in out
    assert "worst" not in out
    out, _ = run(capsys, file, "--responder", "ideal", "--judge", "failing", "-q", "--group", "Group 2")
    assert "no score: no valid response" in out


def test_parts_are_reported_beside_the_whole(capsys, file, write, row):
    hard = write([row("p1", points=(5, 5, 9))], "hard.jsonl")
    agreed = row("p0", points=(5, 5, 10))
    agreed["rubrics"] = agreed["rubrics"][1:]
    consensus = write([agreed], "consensus.jsonl")
    arguments = (file, "--responder", "ideal", "--judge", "long", "-q", "--part", hard, "--part", consensus)
    out, _ = run(capsys, *arguments, "--json")
    parts = json.loads(out)["parts"]
    assert parts["hard"]["metrics"]["score"] == 14 / 19
    assert parts["consensus"]["metrics"]["score"] == 10 / 15
    assert parts["hard"]["responses"] == parts["consensus"]["responses"] == 1
    out, _ = run(capsys, *arguments)
    assert "hard" in out
    assert "0.667" in out


def test_only_some_examples(capsys, file):
    out, _ = run(capsys, file, "--responder", "random", "--judge", "long", "-q", "--json", "-n", 1)
    assert json.loads(out)["examples"] == 1
    out, _ = run(capsys, file, "--responder", "ideal", "--judge", "long", "-q", "--json", "--group", "Group 1")
    assert json.loads(out)["metrics"]["score"] == 15 / 20


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--group", "Group 9"], RunError, "completions of 'Group 9'"),
        (["--examples", "0"], RubricError, "at least 1 example"),
        (["--part", "missing.jsonl"], RubricError, "missing"),
        (["--repeats", "2"], RunError, "n_repeats 1"),
    ],
)
def test_errors(capsys, file, arguments, error, said):
    with pytest.raises(error, match=said):
        run(capsys, file, "--responder", "ideal", "--judge", "long", "-q", *arguments)


def test_parts_of_one_name(capsys, file, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "full.jsonl").write_bytes(file.read_bytes())
    with pytest.raises(RunError, match="different names"):
        run(capsys, file, "--responder", "ideal", "--judge", "long", "--part", file, "--part", other / "full.jsonl")


@pytest.fixture
def policy(tmp_path):
    """The folder of a small policy with random weights."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from medenv.agents.doctors.language_model import LanguageModelDoctor

    marks = ["<|system|>", "<|user|>", "<|tool|>", "<|assistant|>"]
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(["<unk>", *marks, "one", "two"])}, "<unk>"))
    tokenizer.add_special_tokens(["<|end|>"])
    size = tokenizer.get_vocab_size()
    config = Qwen2Config(
        vocab_size=size, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(config).eval()
    LanguageModelDoctor(model, tokenizer, max_tokens=3).save(tmp_path / "policy")
    return tmp_path / "policy"


def test_a_saved_policy_responds_under_a_hash_of_its_weights(capsys, file, policy):
    out, _ = run(capsys, file, "--responder", policy, "--judge", "long", "-q", "--json")
    assert json.loads(out)["valid"] == 3
    before = make_responder(str(policy)).id
    assert before.startswith(f"{policy} ")
    assert make_responder(str(policy)).id == before
    (policy / "policy.json").write_bytes((policy / "policy.json").read_bytes() + b"\n")
    assert make_responder(str(policy)).id != before


def test_a_folder_without_a_policy(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(RunError, match="expected the folder of a policy"):
        make_responder(str(tmp_path))
