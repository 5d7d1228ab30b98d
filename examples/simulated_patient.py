"""A patient that a language model plays; here the model is a function, with a server it is `VllmServer()`."""

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.agents.patients.simulator import SimulatedPatient


def model(request):
    """Says half of what it may, and makes something up the other half of the time."""
    facts = [line[2:] for line in request.messages[-1].content.splitlines() if line.startswith("- ")]
    return " ".join(facts) if request.seed % 2 and facts else "I feel fine, and I never had any trouble with my heart."


patient = SimulatedPatient(ScriptedBackend(model), interruptions=0.25)
for trajectory in medenv.rollout("checklist", patient=patient, episodes=1, max_turns=6):
    for turn in trajectory.turns:
        if turn["reply"] is not None:
            trace = turn["trace"]
            print("doctor: ", turn["doctor"].splitlines()[0])
            print("draft:  ", trace["draft"]["text"])
            print("verdict:", *(claim["standing"] for claim in trace["draft"]["claims"]), "-> repair:", trace["repair"])
            print("patient:", turn["reply"], "\n")
