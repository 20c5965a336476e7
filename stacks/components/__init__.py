"""The constructs that the stacks are made of, one a file. `processing_job` is made to be lifted out."""
