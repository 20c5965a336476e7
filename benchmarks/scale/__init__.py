"""What the suite `scale` measures with: a stand-in for S3 and for the jobs, a STAC API, and one step of a run."""

PIPELINE = "continent"
