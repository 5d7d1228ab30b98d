from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from medenv.agents.doctors.language_model import Sampled
from medenv.agents.trainers.sequences import TokenSequence, collate, from_utterances, token_logprobs
from medenv.errors import RunError


def test_messages_that_continue_each_other_are_one_sequence():
    said = [Sampled("a", [1, 2], [3], [-0.1]), Sampled("b", [1, 2, 3, 4], [5, 6], [-0.2, -0.3])]
    expected = TokenSequence(
        (1, 2, 3, 4, 5, 6), (False, False, True, False, True, True), (0.0, 0.0, -0.1, 0.0, -0.2, -0.3)
    )
    assert from_utterances(said) == [expected]


def test_a_prompt_that_does_not_begin_with_the_last_message_begins_a_new_sequence():
    said = [Sampled("a", [1], [3], [-0.1]), Sampled("b", [1, 9, 4], [5], [-0.2])]
    assert from_utterances(said) == [
        TokenSequence((1, 3), (False, True), (0.0, -0.1)),
        TokenSequence((1, 9, 4, 5), (False, False, False, True), (0.0, 0.0, 0.0, -0.2)),
    ]


def test_words_without_tokens_are_refused_and_silence_is_nothing():
    assert from_utterances([]) == []
    with pytest.raises(RunError, match="token ids, got str"):
        from_utterances(["hello"])


def sequences() -> list[TokenSequence]:
    return [
        TokenSequence((5, 6, 7, 8), (False, True, False, True)),
        TokenSequence((9, 10), (True, True)),
        TokenSequence((11, 12, 13, 14, 15, 16, 17), (False,) * 3 + (True,) * 4),
    ]


def test_logprobs_are_those_of_each_sequence_alone(model):
    batch = collate(sequences())
    with torch.no_grad():
        found = token_logprobs(model, batch, 0.7)
        for row, sequence in enumerate(sequences()):
            logp = torch.log_softmax(model(torch.tensor([sequence.ids])).logits[0] / 0.7, dim=-1)
            for place in range(batch.ids.shape[1]):
                counts = 0 < place < len(sequence.ids) and sequence.own[place]
                expected = float(logp[place - 1, sequence.ids[place]]) if counts else 0.0
                assert float(found[row, place]) == pytest.approx(expected, abs=1e-5)


def test_the_first_token_has_nothing_that_predicts_it():
    assert not collate(sequences()).own[1, 0]


def test_no_gradient_from_the_tokens_of_the_environment(model):
    """Turning an environment token at the end into any other one changes no gradient."""

    def gradients(last: int) -> list[torch.Tensor]:
        model.zero_grad()
        token_logprobs(model, collate([TokenSequence((5, 6, 7, last), (False, True, True, False))])).sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    one, other = gradients(8), gradients(30)
    assert one
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    model.zero_grad()
    silent = token_logprobs(model, collate([TokenSequence((5, 6, 7), (False, False, False))])).sum()
    silent.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
