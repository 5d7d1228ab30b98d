"""Doctors and patients that do what a test needs."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from medenv.consultation.views import DoctorView

SPOKEN = (
    "Good morning. What brings you here?",
    "When did it start?",
    "Do you have any allergies?",
    "ORDER: ECG; troponin",
)


class Chatty:
    """Says things drawn from its seed, waits a little if told to, and remembers every view it was shown."""

    def __init__(self, pause: float = 0.0, fail: float = 0.0) -> None:
        self.pause = pause
        self.fail = fail
        self.views: list[DoctorView] = []
        self.running = self.most = 0

    def _say(self, view: DoctorView) -> str:
        self.views.append(view)
        rng = np.random.default_rng([view.seed, view.turn])
        if rng.random() < self.fail:
            raise RuntimeError("SECRET of the doctor\nsecond line")
        if rng.random() < 0.25:
            return "I think it is nothing.\nDIAGNOSIS: influenza (0.6); migraine (0.2)\nPLAN: rest"
        return str(rng.choice(SPOKEN))

    def act(self, view: DoctorView) -> Any:
        return self._say(view) if not self.pause else self._later(view)

    async def _later(self, view: DoctorView) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.pause * ((view.seed + view.turn) % 5))
        finally:
            self.running -= 1
        return self._say(view)


@pytest.fixture
def chatty() -> type[Chatty]:
    return Chatty
