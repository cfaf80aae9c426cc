"""The errors that are the user's to mend."""


class InputError(ValueError):
    """Bad input; the message is one line that names the thing, the place and the remedy."""


class TrainingError(RuntimeError):
    """A run that cannot go on; the message is one line."""
