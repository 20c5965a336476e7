"""A run's report for people: one self-contained page, rendered from `run.json`."""
