"""The end of a run: what was planned against what is there, the catalogue, the report."""
