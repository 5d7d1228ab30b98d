"""A persona of your own: the same facts, told by somebody else."""

import medenv

medenv.register_persona(
    medenv.Persona(id="stoic-farmer", description="Says little and plays things down.", verbosity="terse", tone="stoic")
)
for persona in ("neutral", "stoic-farmer"):
    env = medenv.make("Consultation-v0", seat="doctor_0", persona=persona)
    env.reset(seed=5, options={"record": "lib-01"})
    observation, *_ = env.step("Hello, what brings you in? Please tell me more about it.")
    print(f"{persona}: {observation['messages'][-1]['content']}")
