"""The checklist doctor: the same history and the same tests for everybody, and the commonest cause of the complaint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from medenv.consultation.matching import words
from medenv.consultation.views import DoctorView
from medenv.records.knowledge_base import load_knowledge
from medenv.records.record import topics
from medenv.records.synthesis import Evidence, posterior

__all__ = ["ChecklistDoctor", "commonest_causes"]

_OPENING = "Hello, I'm the doctor on duty today. What brings you in? Please tell me more about it."
_HISTORY = (
    ("hpi.onset", "hpi.location"),
    ("hpi.character", "hpi.severity"),
    ("hpi.associated", "ros.constitutional"),
    ("ros.gastrointestinal", "ros.respiratory"),
    ("history.medical", "medications"),
    ("allergies", "family"),
    ("social.smoking", "social.alcohol"),
    ("ideas", "concerns"),
)
_TESTS = "ORDER: vital signs; physical examination; full blood count; C-reactive protein; urinalysis; ECG; chest X-ray"
_PLAN = "PLAN: paracetamol; rest and fluids; follow-up appointment"


class ChecklistDoctor:
    """Diligent and blind: works through one list, and never thinks about what it hears."""

    def act(self, view: DoctorView) -> str:
        """The next item of the list, or the closing message when list or turns are at their end."""
        if view.turn > len(_HISTORY) or view.turn >= view.max_turns - 1:
            return self._close(view)
        if view.turn == 0:
            return _OPENING
        asked = " ".join(topics()[topic]["question"] for topic in _HISTORY[view.turn - 1])
        return f"{asked}\n{_TESTS}" if view.turn == len(_HISTORY) else asked

    def _close(self, view: DoctorView) -> str:
        complaint = next(message.content for message in view.messages if message.role == "user")
        causes = list(commonest_causes(complaint).items())[:3]
        diagnoses = "; ".join(f"{name} ({probability:.2f})" for name, probability in causes)
        return (
            "Thank you. This is what I take to be the likeliest cause. Please come back if it gets worse.\n"
            f"DIAGNOSIS: {diagnoses}\n{_PLAN}"
        )


@cache
def _complaint_words() -> Mapping[str, frozenset[str]]:
    known = load_knowledge()
    return {
        complaint.id: frozenset(words(" ".join((complaint.id, *(opening.lay for opening in complaint.openings)))))
        for complaint in known.complaints.values()
    }


@lru_cache(maxsize=4096)
def commonest_causes(complaint: str) -> Mapping[str, float]:
    """The conditions of the knowledge base by their probability given the opening words alone, likeliest first."""
    said = frozenset(words(complaint))
    known = load_knowledge()
    shared = {id: len(said & vocabulary) for id, vocabulary in _complaint_words().items()}
    best = max(shared, key=lambda id: (shared[id], id))
    chances = posterior(known, Evidence(complaint=best if shared[best] else None))
    ranked = sorted(chances.items(), key=lambda item: (-item[1], item[0]))
    return {known.conditions[id].diagnosis.name: chance for id, chance in ranked}
