"""The disclosure rule: which of the facts that were asked for a patient tells, and which wait for rapport."""
