"""What a task tells its user in one line."""


class InfraError(Exception):
    """A stack, a setting or a service that cannot be used as asked; the line ends with the way out."""
