"""The trainer: rollouts of whole consultations, advantages within each group, and an update a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medenv.agents.doctors.language_model import LanguageModelDoctor
from medenv.agents.trainers import Point, Progress, TrainResult
from medenv.agents.trainers.sequences import from_utterances
from medenv.consultation.seats import settle_now
from medenv.envs.task import Task
from medenv.rewards.length import length_rewards
from medenv.rollout.engine import collect
from medenv.rollout.plan import Planned, make_plan
from medenv.rollout.trajectory import Trajectory

from .advantages import advantages
from .checkpoint import load_latest, save
from .config import GRPOConfig
from .update import Sample, update

__all__ = ["GRPOTrainer"]


class GRPOTrainer:
    """Improves a language-model doctor by GRPO; see `GRPOConfig` for the settings and `loss` for the objective."""

    def train(
        self,
        task: Task,
        policy: str | Path,
        config: GRPOConfig | Mapping[str, Any],
        *,
        out: str | Path,
        progress: Progress | None = None,
    ) -> TrainResult:
        """Trains a policy; a run that was cut off in `out` goes on, and ends as if nothing had happened.

        Args:
            task: What to consult about, and how it is scored.
            policy: The folder of the policy to start from; it is left as it is.
            config: A `GRPOConfig`, or its settings as plain data.
            out: The run folder: checkpoints, and in the end `policy` and `training.json`.
            progress: Called with each point of the learning curve.

        Raises:
            RunError: A setting does not fit, the policy cannot be read, or `out` holds another run.
        """
        config = config if isinstance(config, GRPOConfig) else GRPOConfig.from_dict(config)
        out = Path(out)
        settings = _settings(task, policy, config)
        checkpoint = load_latest(out / "checkpoints", settings)
        doctor = LanguageModelDoctor.load(checkpoint.policy if checkpoint else policy, batch=config.concurrency)
        optimizer = torch.optim.AdamW(
            doctor.model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay
        )
        curve: list[Point] = []
        done = 0
        if checkpoint is not None:
            optimizer.load_state_dict(checkpoint.optimizer)
            curve, done = list(checkpoint.curve), checkpoint.step
        for step in range(done, config.steps):
            curve.append({"step": step, **self._step(task, doctor, optimizer, config, step)})
            if progress is not None:
                progress(curve[-1])
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                save(
                    out / "checkpoints",
                    step=step + 1,
                    settings=settings,
                    curve=curve,
                    optimizer=optimizer.state_dict(),
                    save_policy=doctor.save,
                )
        doctor.save(out / "policy")
        report = {"config": config.as_dict(), "curve": curve}
        (out / "training.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        return TrainResult(out / "policy", tuple(curve))

    def _step(
        self,
        task: Task,
        doctor: LanguageModelDoctor,
        optimizer: torch.optim.Optimizer,
        config: GRPOConfig,
        step: int,
    ) -> Point:
        plan = make_plan(
            task, groups=config.groups, group_size=config.group_size, seed=config.seed, start=step * config.groups
        )
        trajectories = settle_now(_played(task, doctor, plan, config.concurrency))
        doctor.forget()
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(step,)))
        samples = _samples(trajectories, config)
        measured = update(doctor.model, optimizer, samples, config, rng, temperature=doctor.backend.temperature)
        return {**_measure(trajectories, samples), **measured}


async def _played(
    task: Task, doctor: LanguageModelDoctor, plan: Sequence[Planned], concurrency: int
) -> list[Trajectory]:
    played = [trajectory async for trajectory in collect(task, doctor, plan, concurrency=concurrency)]
    return sorted(played, key=lambda trajectory: (trajectory.group, trajectory.index))


def _samples(trajectories: Sequence[Trajectory], config: GRPOConfig) -> list[Sample]:
    """The valid rollouts as training data; the others leave no trace in it."""
    groups = [trajectory.group for trajectory in trajectories]
    rewards = [trajectory.reward for trajectory in trajectories]
    sequences = [tuple(from_utterances(t.utterances)) if t.valid else () for t in trajectories]
    if config.length_reward is not None:
        lengths = [sum(sum(sequence.own) for sequence in episode) for episode in sequences]
        extra = length_rewards(rewards, lengths, groups, config.length_reward)
        rewards = [None if reward is None else reward + more for reward, more in zip(rewards, extra, strict=True)]
    return [
        Sample(episode, advantage)
        for episode, advantage in zip(sequences, advantages(rewards, groups), strict=True)
        if advantage is not None
    ]


def _measure(trajectories: Sequence[Trajectory], samples: Sequence[Sample]) -> Point:
    rewards = [trajectory.reward for trajectory in trajectories if trajectory.reward is not None]
    chances = [p for s in samples for q in s.sequences for p, own in zip(q.logprobs, q.own, strict=True) if own]
    return {
        "reward": float(np.mean(rewards)) if rewards else None,
        "valid": len(rewards) / len(trajectories),
        "turns": float(np.mean([len(trajectory.turns) for trajectory in trajectories])),
        "tokens": len(chances) / max(len(samples), 1),
        "entropy": -float(np.mean(chances)) if chances else None,
    }


def _settings(task: Task, policy: str | Path, config: GRPOConfig) -> dict[str, Any]:
    """What a run depends on. Without a cooldown that is not the number of steps, so a run can be made longer."""
    weights = hashlib.sha256()
    for file in sorted(Path(policy).glob("*.safetensors")):
        weights.update(file.read_bytes())
    return {
        **{name: value for name, value in config.as_dict().items() if name != "steps" or config.cooldown},
        "policy": weights.hexdigest(),
        "records": task.records.fingerprint,
        "personas": [persona.id for persona in task.personas],
        "max_turns": task.max_turns,
        "scoring": task.scoring.as_dict(),
        "orders": task.orders,
    }
