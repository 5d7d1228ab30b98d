"""GRPO: group-relative policy optimisation over whole consultations, after Baichuan-M2 (arXiv 2509.02208)."""

from medenv.errors import MissingExtraError

try:
    import tokenizers  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'train' for the trainer 'grpo', got {missing}; pip install 'medenv-rl[train]'"
    ) from None

from medenv.rewards.length import LengthReward

from .advantages import advantages
from .config import GRPOConfig
from .loss import surrogate_loss
from .trainer import GRPOTrainer
from .update import Sample, update

__all__ = [
    "GRPOConfig",
    "GRPOTrainer",
    "LengthReward",
    "Sample",
    "advantages",
    "surrogate_loss",
    "update",
]
