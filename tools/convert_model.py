"""Turns the one GGUF file of a folder into a plain checkpoint that vLLM and transformers load.

Run it with an interpreter that has transformers, gguf and accelerate: `python tools/convert_model.py FROM TO`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

__all__ = ["convert"]


def convert(source: Path, target: Path) -> None:
    """Writes the weights in bfloat16, and the tokenizer with its chat template.

    Args:
        source: A folder that holds one GGUF file.
        target: The folder of the checkpoint. It appears whole or not at all.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()

    files = sorted(file.name for file in source.glob("*.gguf"))
    if len(files) != 1:
        raise SystemExit(f"expected one GGUF file in {source}, got {len(files)}")
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=files[0])
    if not tokenizer.chat_template:
        raise SystemExit(f"expected a chat template in {files[0]}, got none")
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=files[0], dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


if __name__ == "__main__":
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
