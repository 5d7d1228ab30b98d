"""Registration: medenv's environments by id, here and in Gymnasium's and PettingZoo's own registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import pettingzoo

from medenv.errors import MedenvError
from medenv.registry import Registry, load

__all__ = ["EnvironmentSpec", "make", "make_vec", "pprint_registry", "register", "spec"]

EntryPoint = str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """How the faces of an environment are made."""

    id: str
    entry_point: EntryPoint
    """Makes the PettingZoo AEC face."""
    parallel_entry_point: EntryPoint | None = None
    """Makes the PettingZoo parallel face."""
    seat_entry_point: EntryPoint | None = None
    """Makes the Gymnasium face; takes `seat=`."""
    vector_entry_point: EntryPoint | None = None
    """Makes the Gymnasium face of many episodes at once; takes `num_envs=` and `seat=`."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Defaults for every face."""


_environments: Registry[EnvironmentSpec] = Registry("environment")


def register(
    id: str,
    entry_point: EntryPoint,
    *,
    parallel_entry_point: EntryPoint | None = None,
    seat_entry_point: EntryPoint | None = None,
    vector_entry_point: EntryPoint | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> None:
    """Registers an environment in medenv, and as `medenv/<id>` in Gymnasium and PettingZoo.

    Args:
        id: Name and version, such as "Consultation-v0".
        entry_point: The AEC face, as a callable or an import string `package.module:name`.
        parallel_entry_point: The parallel face.
        seat_entry_point: The Gymnasium face; it takes `seat=`.
        vector_entry_point: The Gymnasium face of many episodes at once; it takes `num_envs=` and `seat=`.
        kwargs: Defaults for every face.

    Raises:
        MedenvError: The id is taken.
    """
    if id in _environments:
        raise MedenvError(f"expected a new environment id, got {id!r}, which is registered already")
    made = EnvironmentSpec(
        id, entry_point, parallel_entry_point, seat_entry_point, vector_entry_point, dict(kwargs or {})
    )
    _environments.register(id, made)
    name = f"medenv/{id}"
    pettingzoo.register("aec", name, entry_point=entry_point, kwargs=dict(made.kwargs))
    if parallel_entry_point is not None:
        pettingzoo.register("parallel", name, entry_point=parallel_entry_point, kwargs=dict(made.kwargs))
    if seat_entry_point is not None or vector_entry_point is not None:
        # Our own faces refuse steps out of order with one line that says what was expected, and Gymnasium's checker
        # warns of the NaN that an invalid episode has for a reward.
        gymnasium.register(
            name,
            entry_point=seat_entry_point,
            vector_entry_point=vector_entry_point,
            kwargs=dict(made.kwargs),
            order_enforce=False,
            disable_env_checker=True,
        )


def spec(id: str) -> EnvironmentSpec:
    """The spec behind an id.

    Raises:
        UnknownIdError: Nobody registered the id.
    """
    return _environments.get(id)


def make(id: str, *, seat: str | None = None, **kwargs: Any) -> Any:
    """Makes an environment.

    Args:
        id: A registered id, such as "Consultation-v0".
        seat: Without it, a PettingZoo `AECEnv` with all seats as agents; with it, a `gymnasium.Env` in which that seat
            is the agent and the others are filled in.
        **kwargs: Over the defaults of the spec; see `medenv.envs.task.make_task`.

    Raises:
        UnknownIdError: Nobody registered the id.
        MedenvError: An argument does not fit.
    """
    found = spec(id)
    if seat is None:
        entry_point = load(found.entry_point) if isinstance(found.entry_point, str) else found.entry_point
        return entry_point(**{**found.kwargs, **kwargs})
    if found.seat_entry_point is None:
        raise MedenvError(
            f"expected an environment with a Gymnasium face for seat={seat!r}, got {id!r}, which has none"
        )
    return gymnasium.make(f"medenv/{id}", seat=seat, **kwargs)


def make_vec(id: str, num_envs: int = 1, **kwargs: Any) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """Makes many environments at once, for one seat, as `gymnasium.make_vec` does.

    Args:
        id: A registered id, such as "Consultation-v0".
        num_envs: How many episodes are played side by side.
        **kwargs: Over the defaults of the spec; see `medenv.envs.vector.ConsultationVector`.

    Raises:
        UnknownIdError: Nobody registered the id.
        MedenvError: An argument does not fit.
    """
    found = spec(id)
    if found.seat_entry_point is None and found.vector_entry_point is None:
        raise MedenvError(f"expected an environment with a Gymnasium face, got {id!r}, which has none")
    return gymnasium.make_vec(f"medenv/{id}", num_envs=num_envs, **kwargs)


def pprint_registry() -> None:
    """Prints the registered environments and their faces."""
    for id in _environments:
        found = spec(id)
        faces = ["AEC"]
        faces += ["parallel"] if found.parallel_entry_point is not None else []
        faces += ["Gymnasium"] if found.seat_entry_point is not None else []
        faces += ["Gymnasium vector"] if found.vector_entry_point is not None else []
        print(f"{id}: {', '.join(faces)}")


register(
    "Consultation-v0",
    "medenv.envs.aec:ConsultationAEC",
    parallel_entry_point="medenv.envs.aec:ConsultationParallel",
    seat_entry_point="medenv.envs.seat:ConsultationSeat",
    vector_entry_point="medenv.envs.vector:ConsultationVector",
)
