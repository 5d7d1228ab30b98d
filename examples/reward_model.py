"""A judge trained from rollouts: a reward model learns what the rule judge decides, and then stands in for it."""

import tempfile

import medenv
from medenv.rewards.learned import (
    BaseRates,
    LearnedJudge,
    RewardModelConfig,
    calibration,
    examples_of,
    part_of,
    train,
)

RECORDS = "synthetic:30"

judged = [
    trajectory
    for doctor in ("random", "checklist", "oracle")
    for trajectory in medenv.rollout(doctor, records=RECORDS, seed=0)
]
examples = examples_of(judged)  # split by record: nothing below comes from a record that was learned from
trained = train(examples, RewardModelConfig(epochs=3))
found = calibration(trained.model, part_of(examples, "test"), BaseRates(part_of(examples, "train")))
for axis, row in {"all": found.overall, **found.axes}.items():
    print(f"{axis:>20}: accuracy {row.accuracy:.3f}, by base rates {row.base:.3f}, calibration error {row.ece:.3f}")

with tempfile.TemporaryDirectory() as folder:
    trained.model.save(folder)
    judge = LearnedJudge(folder)
    for doctor in ("random", "checklist", "oracle"):
        task = {"records": RECORDS, "split": "test", "seed": 1}
        rule, learned = (medenv.evaluate(doctor, judge=each, **task) for each in ("rule", judge))
        print(f"{doctor:>20}: reward {rule.reward.mean:.3f} by rules, {learned.reward.mean:.3f} by the model")
