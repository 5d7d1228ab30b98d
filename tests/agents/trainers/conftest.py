from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen3Config, Qwen3ForCausalLM

from medenv.agents.doctors.language_model import ChatFormat, LanguageModelDoctor

MARKERS = ["<|end|>", "<|system|>", "<|user|>", "<|tool|>", "<|assistant|>"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_tokenizer() -> Tokenizer:
    """Bytes and markers: any text survives, and no file is needed."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(MARKERS)
    return tokenizer


def make_model(vocabulary: int, *, seed: int = 0, spread: float = 0.6) -> Qwen3ForCausalLM:
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        tie_word_embeddings=False,
        initializer_range=spread,
        max_position_embeddings=4096,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config).eval()


@pytest.fixture
def model():
    return make_model(64)


@pytest.fixture
def new_doctor():
    """Makes the same small doctor with random weights as often as it is called."""

    def make(**settings) -> LanguageModelDoctor:
        tokenizer = make_tokenizer()
        settings = {"max_tokens": 12, "batch": 8, "format": ChatFormat(), **settings}
        return LanguageModelDoctor(make_model(tokenizer.get_vocab_size()), tokenizer, **settings)

    return make


@pytest.fixture
def doctor(new_doctor) -> LanguageModelDoctor:
    return new_doctor()
