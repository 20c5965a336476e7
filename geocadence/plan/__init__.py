"""Which scenes a run takes and why the others not, and how they are cut into jobs."""
