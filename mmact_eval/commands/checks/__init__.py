"""Commands that ask whether something is as it should be: a machine, an environment, a policy, a run."""
