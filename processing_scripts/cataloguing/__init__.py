"""STAC Items for what a script left that leaves files only."""
