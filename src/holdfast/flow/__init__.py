"""What a script says: the verbs of a workflow, and what they become for the engine."""
