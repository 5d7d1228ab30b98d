"""The reference agent: a causal language model small enough to be trained from nothing on a laptop."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen3Config, Qwen3ForCausalLM

from medenv.agents.doctors.language_model import ChatFormat, LanguageModelDoctor

__all__ = ["reference_policy", "train_tokenizer"]

CUTS = r"[.;:?!]+ |\n| \(| \d+"
"""Where a token must end: after a sentence, an item or a line, and at a number. Whole questions may be one token."""


def train_tokenizer(texts: Iterable[str], vocabulary: int, format: ChatFormat | None = None) -> Tokenizer:
    """A byte-level BPE tokenizer whose tokens may be whole phrases, since consultations repeat themselves so much.

    Any text survives encoding and decoding, whether or not the like of it was among `texts`.
    """
    format = format or ChatFormat()
    markers = [format.end, format.system, format.user, format.tool, format.assistant]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CUTS), "merged_with_previous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=markers,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            max_token_length=160,
            show_progress=False,
        ),
    )
    return tokenizer


def reference_policy(
    texts: Iterable[str],
    *,
    seed: int,
    vocabulary: int = 3072,
    max_tokens: int = 96,
    temperature: float = 1.0,
    batch: int = 64,
) -> LanguageModelDoctor:
    """A policy with random weights, of 0.8 million parameters with the default vocabulary.

    Args:
        texts: What its tokenizer is made for.
        seed: Of the weights.
        vocabulary: The most tokens it knows.
        max_tokens: The longest message.
        temperature: What its messages are sampled with, in training as in use.
        batch: The most messages sampled in one batch.
    """
    tokenizer = train_tokenizer(texts, vocabulary)
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        tie_word_embeddings=True,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    return LanguageModelDoctor(model, tokenizer, max_tokens=max_tokens, temperature=temperature, batch=batch)
