"""The errors that are the user's to mend, and what the user should know of."""


class InputError(ValueError):
    """Bad input; the message is one line that names the thing, the place and the remedy."""


class TrainingError(RuntimeError):
    """A run that cannot go on; the message is one line."""


class InputWarning(UserWarning):
    """Something odd in the input that was dealt with; the message is one line that says how."""
