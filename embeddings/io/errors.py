"""The errors and warnings that a user can act on; commands print each as one line."""


class InputError(ValueError):
    """Bad input: the message is one line that names the thing, the place and the remedy."""


class TrainingError(RuntimeError):
    """Training that cannot continue: the message is one line."""


class InputWarning(UserWarning):
    """Unusual input that the toolkit handled: the message is one line that says how."""
