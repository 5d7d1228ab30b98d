"""medenv: medical consultations as reinforcement learning environments.

    env = medenv.make("Consultation-v0")                    # PettingZoo AECEnv: doctor_0 and patient_0
    env = medenv.make("Consultation-v0", seat="doctor_0")   # gymnasium.Env: the patient is filled in
    envs = medenv.make_vec("Consultation-v0", num_envs=64)  # gymnasium.vector.VectorEnv: patients answered together
    result = medenv.evaluate("checklist", records="library")

Cases and numbers are made for research on models. Nothing here is for the care of patients.
"""

from importlib.metadata import PackageNotFoundError, version

from medenv.envs.registration import EnvironmentSpec, make, make_vec, pprint_registry, register, spec
from medenv.personas import Persona, register_persona
from medenv.records import Record, RecordSet, load_records
from medenv.rollout import Evaluation, Trajectory, evaluate, rollout

try:
    __version__ = version("medenv-rl")
except PackageNotFoundError:
    __version__ = "0+uninstalled"

__all__ = [
    "EnvironmentSpec",
    "Evaluation",
    "Persona",
    "Record",
    "RecordSet",
    "Trajectory",
    "evaluate",
    "load_records",
    "make",
    "make_vec",
    "pprint_registry",
    "register",
    "register_persona",
    "rollout",
    "spec",
]
