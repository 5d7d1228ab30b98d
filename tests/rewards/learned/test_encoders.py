from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import dataclasses

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from medenv.errors import RunError
from medenv.rewards.learned import Encoder, HashedEncoder, RewardModel, TransformersEncoder, train

from .conftest import SMALL, planted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(alphabet),
            hidden_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=128,
        )
        BertModel(config).save_pretrained(path)
    return path


def test_both_are_encoders(folder):
    assert isinstance(HashedEncoder(), Encoder)
    assert isinstance(TransformersEncoder(folder), Encoder)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
@settings(max_examples=40)
def test_every_text_has_finite_vectors_whatever_stands_beside_it(texts):
    encoder = HashedEncoder(8, 64)
    vectors, lengths = encoder.encode(texts)
    assert len(lengths) == len(texts)
    assert lengths.sum() == len(vectors)
    assert lengths.min() >= 1
    assert torch.isfinite(vectors).all()
    for text, part in zip(texts, vectors.split(lengths.tolist()), strict=True):
        assert torch.allclose(encoder.encode([text])[0], part, atol=1e-6)


def test_neighbours_count_only_within_a_text_once_training_has_moved_them():
    encoder = HashedEncoder(8, 64)
    with torch.no_grad():
        encoder.before.copy_(torch.eye(8))
        encoder.after.copy_(2 * torch.eye(8))
    plain = HashedEncoder(8, 64)
    one, two, three = plain.encode(["one two three"])[0]
    mixed, lengths = encoder.encode(["one two", "three"])
    assert lengths.tolist() == [2, 1]
    assert torch.allclose(mixed, torch.stack([one + 2 * two, two + one, three]), atol=1e-6)


def test_words_that_are_spelt_alike_are_near_before_any_training():
    words = HashedEncoder(512).encode(["antibiotic antibiotics allergy allergies fever"])[0]
    alike = torch.nn.functional.normalize(words, dim=1) @ torch.nn.functional.normalize(words, dim=1).T
    assert alike[0, 1] > 0.35
    assert alike[2, 3] > 0.2
    assert alike[[0, 0, 1, 2, 3], [2, 4, 3, 4, 4]].abs().max() < 0.15


@pytest.mark.parametrize("pooled", [False, True])
def test_a_frozen_transformer_learns_nothing_and_its_model_survives_the_disk(folder, tmp_path, pooled):
    encoder = TransformersEncoder(folder, pooled=pooled)
    before = [parameter.clone() for parameter in encoder.model.parameters()]
    examples = planted(20)
    model = train(examples, dataclasses.replace(SMALL, epochs=1), encoder=encoder).model
    assert all(map(torch.equal, before, encoder.model.parameters()))
    model.save(tmp_path)
    assert sum(1 for name in model.state_dict() if name.startswith("encoder")) == 0
    again = RewardModel.load(tmp_path)
    assert again.digest == model.digest
    one = examples[0]
    assert again.probabilities(one.messages, one.criteria) == model.probabilities(one.messages, one.criteria)
    _, lengths = encoder.encode(["a few bytes", "x"])
    assert lengths.tolist() == ([1, 1] if pooled else [11, 1])


def test_a_transformer_reads_any_text_and_forgets_the_oldest(folder):
    encoder = TransformersEncoder(folder, remembered=2, tokens=16)
    vectors, lengths = encoder.encode(["", "\ud800\u0000", "x" * 500])
    assert torch.isfinite(vectors).all()
    assert lengths.tolist()[0] == 1
    assert lengths.tolist()[2] == 16
    again, _ = encoder.encode(["", "\ud800\u0000", "x" * 500])
    assert torch.equal(vectors, again)


def test_another_transformer_in_the_same_folder_is_noticed(folder, tmp_path):
    settings = {**TransformersEncoder(folder).settings(), "digest": "0" * 16}
    from medenv.rewards.learned.encoder import encoder_from

    with pytest.raises(RunError, match="the model that the reward model was trained on"):
        encoder_from(settings)
    with pytest.raises(RunError, match="folder of a transformers model"):
        TransformersEncoder(tmp_path / "none")
    with pytest.raises(RunError, match="settings of a hashed or transformers encoder"):
        encoder_from({"kind": "magic"})
