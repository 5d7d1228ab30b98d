"""The three-unit patient simulator: termination gate, affective unit, factual unit."""

from medenv.agents.patients.simulator.affective import script
from medenv.agents.patients.simulator.patient import SimulatedPatient, Unit
from medenv.agents.patients.simulator.prompts import Prompts, load_prompts, prompts_for

__all__ = ["Prompts", "SimulatedPatient", "Unit", "load_prompts", "prompts_for", "script"]
