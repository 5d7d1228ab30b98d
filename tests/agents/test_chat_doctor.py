"""A chat model as the doctor."""

from __future__ import annotations

import pytest

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.agents.doctors.chat import ChatDoctor, alternating
from medenv.consultation.views import Message
from medenv.errors import BackendError, MedenvError
from medenv.testing import check_doctor
from medenv.testing.models import Recording


def talks(request):
    return "Have you had a fever?\nORDER: ECG" if len(request.messages) < 5 else "Rest.\nDIAGNOSIS: gout\nPLAN: rest"


def test_it_is_a_sound_doctor():
    check_doctor(ChatDoctor(ScriptedBackend(talks)))


def test_roles_take_turns_and_each_request_begins_with_the_one_before():
    model = Recording(ScriptedBackend(talks))
    medenv.rollout(ChatDoctor(model), episodes=1)
    first, *later = model.requests
    assert len(later) == 2
    for request in model.requests:
        roles = [message.role for message in request.messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2)][: len(roles)]
        assert roles[-1] == "user"
    assert later[0].messages[: len(first.messages)] == first.messages
    assert "ECG" in later[0].messages[-1].content


def test_results_join_the_words_of_the_patient():
    messages = [Message("system", "s"), Message("user", "a"), Message("assistant", "b"), Message("tool", "c"),
                Message("user", "d")]  # fmt: skip
    assert alternating(messages)[-1] == Message("user", "c\n\nd")


def test_a_backend_that_fails_is_no_score():
    def fails(request):
        raise BackendError("expected a reply, got none", "timeout")

    trajectory = medenv.rollout(ChatDoctor(ScriptedBackend(fails)), episodes=1)[0]
    assert trajectory.failure["kind"] == "backend"
    assert trajectory.reward is None


@pytest.mark.parametrize("arguments", [{"temperature": -0.1}, {"max_tokens": 0}])
def test_bad_settings_are_refused(arguments):
    with pytest.raises(MedenvError, match="expected"):
        ChatDoctor(ScriptedBackend(talks), **arguments)
