"""The cloud's own process: an emulator, and what it lacks of Step Functions, Scheduler and SageMaker.

Runs in the emulator's environment (`.local/emulator`), never in the project's.
"""
