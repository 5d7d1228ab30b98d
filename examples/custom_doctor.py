"""A doctor of your own, evaluated beside the ones that come with medenv."""

import medenv
from medenv.consultation.views import DoctorView


class CuriousDoctor:
    """Asks what the patient thinks, twice, and closes."""

    def act(self, view: DoctorView) -> str:
        """The next message."""
        if view.turn == 0:
            return "Hello, what brings you in? Tell me more."
        if view.turn == 1:
            return "What do you think is causing it, and is there something that worries you?"
        return "Thank you. Come back if it gets worse.\nDIAGNOSIS: viral infection\nPLAN: rest and fluids"


for doctor in (CuriousDoctor(), "random", "checklist", "oracle"):
    result = medenv.evaluate(doctor, records="library", seed=0)
    name = doctor if isinstance(doctor, str) else type(doctor).__name__
    print(f"{name:>14}: reward {result.reward.mean:z.3f} over {result.valid} of {result.episodes} episodes")
