"""Testing: what third parties run against their own environments, seats and judges.

`check_doctor`, `check_patient` and `check_judge` assert what each has to do; `EXPLOITS` holds scripted cheats that a
sound environment keeps far below an honest doctor.
"""

from medenv.testing.conformance import check_doctor, check_judge, check_patient
from medenv.testing.exploits import EXPLOITS

__all__ = ["EXPLOITS", "check_doctor", "check_judge", "check_patient"]
