"""A model in this process as a chat backend: a tiny one, made here, that has learned nothing."""

from __future__ import annotations

import asyncio
import json

import pytest

torch = pytest.importorskip("torch")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

from medenv.agents.backends import Request, backends  # noqa: E402
from medenv.agents.backends.transformers import TransformersBackend  # noqa: E402
from medenv.agents.patients.simulator import SimulatedPatient  # noqa: E402
from medenv.consultation.episode import Episode, Scenario  # noqa: E402
from medenv.consultation.playing import play_now  # noqa: E402
from medenv.consultation.seats import DOCTOR, PATIENT  # noqa: E402
from medenv.consultation.views import Message  # noqa: E402
from medenv.errors import BackendError  # noqa: E402
from medenv.personas import Persona  # noqa: E402

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.fixture(scope="module")
def tokenizer():
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    special = ["</s>", "<system>", "<user>", "<assistant>"]
    trainer = tokenizers.trainers.BpeTrainer(
        special_tokens=special, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), vocab_size=300
    )
    made.train_from_iterator([""], trainer)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=2048, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def backend(model, tokenizer):
    return TransformersBackend(model, tokenizer)


def asked(content, **changes):
    return Request((Message("system", "Be brief."), Message("user", content)), **{"max_tokens": 8, **changes})


def replies(backend, requests):
    async def together():
        return await asyncio.gather(*map(backend.complete, requests))

    return asyncio.run(together())


def test_a_reply_follows_from_the_request_alone(backend):
    requests = [asked(f"question {n}", seed=n) for n in range(6)]
    together = replies(backend, requests)
    assert together == [replies(backend, [request])[0] for request in requests]
    assert len({reply.text for reply in together}) > 1
    assert all(reply.prompt_tokens > 10 and 1 <= reply.completion_tokens <= 8 for reply in together)


def test_requests_of_other_sampling_wait_together(backend):
    cold, warm = replies(backend, [asked("x", temperature=0.0), asked("x", temperature=1.0, max_tokens=3)])
    assert cold == replies(backend, [asked("x", temperature=0.0, seed=9)])[0]
    assert warm.completion_tokens <= 3


def test_a_stop_text_ends_the_reply(backend):
    whole = replies(backend, [asked("x", seed=3, max_tokens=32)])[0]
    stop = whole.text[2:4]
    cut = replies(backend, [asked("x", seed=3, max_tokens=32, stop=(stop,))])[0]
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish == "stop"


def test_text_that_never_fits_the_schema_is_no_reply(backend):
    schema = {"type": "object", "required": ["ends"]}
    with pytest.raises(BackendError) as raised:
        replies(backend, [asked("x", schema=schema)])
    assert raised.value.kind == "schema"


def test_text_is_sampled_again_until_it_fits(backend, monkeypatch):
    texts = iter(["no json", "[1]", '{"ends": "none"}'])
    monkeypatch.setattr(backend.tokenizer, "decode", lambda *_, **__: next(texts))
    reply = replies(backend, [asked("x", schema={"type": "object"})])[0]
    assert json.loads(reply.text) == {"ends": "none"}


def test_a_prompt_too_long_for_the_model_is_refused(backend):
    with pytest.raises(BackendError, match="expected at most 2048 tokens in all") as raised:
        replies(backend, [asked("long " * 2000)])
    assert not raised.value.passing


def test_a_model_from_a_folder(model, tokenizer, tmp_path, monkeypatch, backend):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    monkeypatch.setenv("MEDENV_MODEL", str(tmp_path))
    loaded = backends.get("transformers")()
    assert replies(loaded, [asked("x", seed=1)]) == replies(backend, [asked("x", seed=1)])


@pytest.mark.parametrize("given", [None, "/no/such/folder"])
def test_no_model(given, monkeypatch):
    monkeypatch.delenv("MEDENV_MODEL", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackendError, match="expected"):
        TransformersBackend(given)


def test_a_model_that_babbles_plays_a_patient_who_keeps_to_the_record(backend, record):
    patient = SimulatedPatient(backend, max_tokens=8)
    episode = Episode(Scenario(record, Persona("neutral"), 0))
    for message in ("Have you had a fever?", "How did it start?"):
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patient}, until=DOCTOR)
    assert episode.failure is None
    assert episode.ledger.disclosed == {"fever", "onset"}
    assert episode.ledger.totals()["invented"] == 0
