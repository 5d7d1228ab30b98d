"""Patients: everyone who can sit in the patient's seat."""

from collections.abc import Callable

from medenv.consultation.seats import Seat
from medenv.registry import Registry

__all__ = ["patients"]

patients: Registry[Callable[[], Seat]] = Registry("patient")
patients.register("scripted", "medenv.agents.patients.scripted:ScriptedPatient")
patients.register("simulator", "medenv.agents.patients.simulator:SimulatedPatient")
