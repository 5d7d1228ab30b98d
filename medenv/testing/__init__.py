"""Testing: what third parties run against their own environments, seats and judges.

`exploits` holds scripted cheats that a sound environment keeps far below an honest doctor.
"""

from medenv.testing.exploits import EXPLOITS

__all__ = ["EXPLOITS"]
