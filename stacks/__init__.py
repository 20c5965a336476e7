"""Where pipelines run: one stack a file, composed of the constructs in `components/`."""
