"""The consultation: one episode between a doctor and a patient, with no reinforcement-learning interface in it.

A `Scenario` is what a group of rollouts shares; an `Episode` plays it. `views` holds what each seat may see, `acts`
what a doctor message does, `understanding` what it asks, `disclosure` what the patient tells, `orders` what tests give,
and `ledger` the account of it all.
"""
