"""Testing: what third parties run against their own environments, seats and judges.

`check_doctor`, `check_patient` and `check_judge` assert what each has to do; `exploits` plays scripted cheats and
injections, which a sound environment keeps far below an honest doctor; `injections` are its hostile messages.
"""

from medenv.testing.cheats import Cheat, cheats
from medenv.testing.conformance import check_doctor, check_judge, check_patient
from medenv.testing.exploits import CheatResult, ExploitReport, InjectionResult, exploits
from medenv.testing.injections import Injection, injections

__all__ = [
    "Cheat",
    "CheatResult",
    "ExploitReport",
    "Injection",
    "InjectionResult",
    "cheats",
    "check_doctor",
    "check_judge",
    "check_patient",
    "exploits",
    "injections",
]
