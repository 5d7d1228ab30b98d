"""Eight consultations stepped together through Gymnasium's vector interface."""

import medenv

envs = medenv.make_vec("Consultation-v0", num_envs=8, records="library", persona="neutral", max_turns=4)
observations, infos = envs.reset(seed=7)
rewards_at_the_end = []
for turn in range(8):
    questions = ("When did it start?", "Any fever, and any allergies?", "What worries you most?\nORDER: vital signs")
    message = questions[turn % 4] if turn % 4 < 3 else "Rest, please.\nDIAGNOSIS: viral infection (0.6)\nPLAN: rest"
    observations, rewards, terminations, truncations, infos = envs.step([message] * envs.num_envs)
    rewards_at_the_end += [float(reward) for reward, ended in zip(rewards, terminations, strict=True) if ended]
said = [message["content"] for message in observations["messages"][0] if message["role"] == "user"]
print("one patient said:", said[-1])
print("rewards:", [round(reward, 3) for reward in rewards_at_the_end])
envs.close()
