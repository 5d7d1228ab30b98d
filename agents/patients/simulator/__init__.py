"""The three-unit patient simulator: termination gate, affective unit, factual unit."""

from medenv.agents.patients.simulator.affective import script
from medenv.agents.patients.simulator.patient import SimulatedPatient, Unit

__all__ = ["SimulatedPatient", "Unit", "script"]
