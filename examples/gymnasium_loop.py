"""One consultation through Gymnasium: your loop, your policy."""

import medenv

env = medenv.make("Consultation-v0", seat="doctor_0", records="library", persona="neutral")
observation, info = env.reset(seed=7)
print("patient:", observation["messages"][-1]["content"])

messages = (
    "Hello, I'm the doctor today. What brings you in?",
    "I'm sorry to hear that. When did it start, and how has it changed since?",
    "Do you have any allergies, and what medicines do you take?\nORDER: vital signs; full blood count",
    "Thank you. Come back at once if it gets worse.\n"
    "DIAGNOSIS: viral infection (0.6); anaemia (0.2)\nPLAN: rest and fluids",
)
for message in messages:
    observation, reward, terminated, truncated, info = env.step(message)
    print("doctor:", message)
    for said in observation["messages"][-2:]:
        if said["role"] != "assistant":
            print(f"{'patient' if said['role'] == 'user' else 'results'}: {said['content']}")

print("reward:", round(reward, 3), "valid:", info["valid"])
for line in info["criteria"]:
    print(f"{line['awarded']:+3d} of {line['points']:+3d}  {line['text']}")
