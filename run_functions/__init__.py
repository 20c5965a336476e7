"""The state machine's Lambda handlers: thin, over `geocadence`.

They run with what requirements/functions.txt holds and the runtime's boto3: no pydantic, no YAML.
"""
