"""What the engine says to a user in one line, and what it says to itself."""


class EngineError(Exception):
    """A refusal or a user's mistake: one line, what is wrong and the command that fixes it."""


class StepError(Exception):
    """One resource's step failed, or must not be taken."""


class StoppedError(Exception):
    """A step was not begun, because the user asked to stop."""
