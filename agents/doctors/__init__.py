"""Doctors: everyone who can sit in the doctor's seat."""

from collections.abc import Callable

from medenv.consultation.seats import Seat
from medenv.registry import Registry

__all__ = ["doctors"]

doctors: Registry[Callable[[], Seat]] = Registry("doctor")
doctors.register("random", "medenv.agents.doctors.random:RandomDoctor")
doctors.register("checklist", "medenv.agents.doctors.checklist:ChecklistDoctor")
doctors.register("oracle", "medenv.agents.doctors.oracle:OracleDoctor")
doctors.register("human", "medenv.agents.doctors.human:HumanDoctor")
doctors.register("chat", "medenv.agents.doctors.chat:ChatDoctor")
