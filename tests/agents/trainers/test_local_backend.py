from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from medenv.agents.backends.local import LocalBackend, Prompt
from medenv.errors import BackendError

STOP = 3


def prompts(count: int, seed: int = 0) -> list[Prompt]:
    rng = np.random.default_rng(seed)
    return [
        Prompt(tuple(int(i) for i in rng.integers(4, 64, size=rng.integers(1, 40))), (seed, place))
        for place in range(count)
    ]


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.0])
def test_a_batch_samples_what_each_prompt_samples_alone(model, temperature):
    backend = LocalBackend(model, stop=STOP, max_tokens=24, temperature=temperature)
    asked = prompts(48)
    together = backend.generate(asked)
    alone = [backend.generate([prompt])[0] for prompt in asked]
    assert [c.ids for c in together] == [c.ids for c in alone]
    assert np.allclose(
        np.concatenate([c.logprobs for c in together]), np.concatenate([c.logprobs for c in alone]), atol=1e-5
    )
    assert len({len(c.ids) for c in together}) > 1 or temperature == 0


def test_order_in_the_batch_does_not_matter(model):
    backend = LocalBackend(model, stop=STOP, max_tokens=16)
    asked = prompts(20)
    there, back = backend.generate(asked), backend.generate(asked[::-1])
    assert [c.ids for c in there] == [c.ids for c in reversed(back)]


def test_going_on_from_the_past_is_going_on_from_the_tokens(model):
    backend = LocalBackend(model, stop=STOP, max_tokens=10)
    first = backend.generate(asked := prompts(12))
    longer = [(*p.ids, *c.ids, 7, 8, 9) for p, c in zip(asked, first, strict=True)]
    for prompt, completion in zip(asked, first, strict=True):
        assert completion.past.tokens == len(prompt.ids) + len(completion.ids) - 1
    with_past = backend.generate(
        [Prompt(ids, (5, i), c.past) for i, (ids, c) in enumerate(zip(longer, first, strict=True))]
    )
    without = [backend.generate([Prompt(ids, (5, i))])[0] for i, ids in enumerate(longer)]
    mixed = backend.generate([Prompt(ids, (5, i), first[i].past if i % 2 else None) for i, ids in enumerate(longer)])
    assert [c.ids for c in with_past] == [c.ids for c in without] == [c.ids for c in mixed]


def test_logprobs_are_those_of_a_plain_forward_pass(model):
    backend = LocalBackend(model, stop=STOP, max_tokens=20, temperature=0.7)
    for prompt, completion in zip(asked := prompts(6), backend.generate(asked), strict=True):
        ids = torch.tensor([[*prompt.ids, *completion.ids]])
        with torch.no_grad():
            logp = torch.log_softmax(model(ids).logits[0] / 0.7, dim=-1)
        expected = [float(logp[len(prompt.ids) - 1 + i, token]) for i, token in enumerate(completion.ids)]
        assert completion.logprobs == pytest.approx(expected, abs=1e-5)


def test_samples_follow_the_distribution(model):
    backend = LocalBackend(model, stop=STOP, max_tokens=1, batch=512)
    ids = (9, 20, 31)
    drawn = [c.ids[0] for c in backend.generate([Prompt(ids, (1, i)) for i in range(4000)])]
    with torch.no_grad():
        chances = torch.softmax(model(torch.tensor([ids])).logits[0, -1], dim=-1).numpy()
    counts = np.bincount(drawn, minlength=64)
    often = chances * 4000 >= 5
    statistic = ((counts - 4000 * chances) ** 2 / (4000 * chances))[often].sum()
    assert statistic < often.sum() + 4 * np.sqrt(2 * often.sum())


def test_a_doubtful_draw_is_settled_by_the_sequence_alone(model, monkeypatch):
    """With a margin that makes every draw doubtful, each token comes from the logits of its sequence alone."""
    backend = LocalBackend(model, stop=STOP, max_tokens=8)
    usual = [c.ids for c in backend.generate(prompts(10))]
    monkeypatch.setattr("medenv.agents.backends.local.MARGIN", 2.0)
    assert [c.ids for c in backend.generate(prompts(10))] == usual


def test_concurrent_requests_become_one_batch(model, monkeypatch):
    backend = LocalBackend(model, stop=STOP, max_tokens=6, batch=16)
    asked = prompts(40)
    expected = [c.ids for c in backend.generate(asked)]
    sizes: list[int] = []
    generate = backend.generate
    monkeypatch.setattr(backend, "generate", lambda some: sizes.append(len(some)) or generate(some))

    async def main():
        return await asyncio.gather(*(backend.complete(prompt) for prompt in asked))

    assert [c.ids for c in asyncio.run(main())] == expected
    assert sizes == [16, 16, 8]


def test_a_failing_model_fails_every_request_of_the_batch(model, monkeypatch):
    backend = LocalBackend(model, stop=STOP)

    def broken(some):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(backend, "generate", broken)

    async def main():
        return await asyncio.gather(*(backend.complete(prompt) for prompt in prompts(3)), return_exceptions=True)

    found = asyncio.run(main())
    assert all(isinstance(error, BackendError) and "out of memory" in str(error) for error in found)


@pytest.mark.parametrize("bad", [{"max_tokens": 0}, {"temperature": -1}, {"batch": 0}])
def test_settings_out_of_range_are_refused(model, bad):
    with pytest.raises(BackendError, match="expected"):
        LocalBackend(model, stop=STOP, **bad)


def test_an_empty_prompt_is_refused(model):
    with pytest.raises(BackendError, match="at least one token"):
        LocalBackend(model, stop=STOP).generate([Prompt((), (0,))])


def test_nothing_global_is_drawn_from(model):
    state = torch.random.get_rng_state()
    LocalBackend(model, stop=STOP, max_tokens=4).generate(prompts(3))
    assert torch.equal(state, torch.random.get_rng_state())
