"""Consultation-v0 as a PettingZoo module: `env`, `raw_env` and `parallel_env`."""

from medenv.envs.aec import ConsultationAEC as env
from medenv.envs.aec import ConsultationAEC as raw_env
from medenv.envs.aec import ConsultationParallel as parallel_env

__all__ = ["env", "parallel_env", "raw_env"]
