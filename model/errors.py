"""What the model's programs say when a user's value is wrong: one line, with the command or setting that fixes it."""


class UserError(Exception):
    """A mistake that the user can fix; its text is one line and reaches the user without a traceback."""


def unreadable(what: str, error: Exception, fix: str) -> UserError:
    """Make the error for a file that is there but not what it should be."""
    reason = str(error).strip().splitlines()
    return UserError(f"{what} cannot be read: {reason[0] if reason else type(error).__name__}. {fix}")
