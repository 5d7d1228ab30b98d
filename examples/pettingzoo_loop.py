"""Both seats as agents in PettingZoo: your doctor, and a patient of your own or the one that comes with medenv."""

import medenv
from medenv.agents.doctors import doctors

env = medenv.make("Consultation-v0", records="library")
doctor = doctors.get("checklist")()

env.reset(seed=3)
for agent in env.agent_iter():
    observation, reward, termination, truncation, info = env.last()
    if termination or truncation:
        action = None
    elif agent == "doctor_0":
        action = doctor.act(env.view(agent))
        print("doctor:", action)
    else:
        action = "It hurts, and I would rather not talk about it."  # None lets the scripted patient answer instead
        print("patient:", action)
    env.step(action)

print("reward:", round(info["reward"], 3), "ledger:", info["ledger"])
