"""Rule 2: same record, persona, seed and agent outputs give the same transcript, ledger and reward, byte for byte."""

import json
import random
import subprocess
import sys

import numpy as np

import medenv

SCRIPT = """
import json, medenv
env = medenv.make("Consultation-v0", seat="doctor_0", persona=["neutral", "anxious"])
out = []
for seed in range(6):
    out.append(env.reset(seed=seed))
    for message in ("Hello, what brings you in?", "When did it start? Any fever?\\nORDER: full blood count",
                    "DIAGNOSIS: influenza (0.4); asthma (0.2)\\nPLAN: rest"):
        out.append(env.step(message))
print(json.dumps(out, sort_keys=True))
"""


def run(hash_seed):
    environment = {"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True, env=environment)
    return done.stdout


def test_two_processes_with_other_hash_seeds_agree_byte_for_byte():
    one, two = run("1"), run("2")
    assert one == two
    assert len(json.loads(one)) == 24


def test_no_global_generator_is_read_or_moved():
    env = medenv.make("Consultation-v0", seat="doctor_0")

    def episode():
        seen = [env.reset(seed=9)]
        seen.append(env.step("Hello. Any fever? When did it start?"))
        seen.append(env.step("DIAGNOSIS: influenza"))
        return json.dumps(seen)

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = episode()
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert episode() == first


def test_seeds_differ():
    env = medenv.make("Consultation-v0", seat="doctor_0")
    assert len({env.reset(seed=seed)[1]["record"] for seed in range(40)}) > 5
