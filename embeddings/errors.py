"""The one error that means: what the user gave cannot be used."""


class InputError(ValueError):
    """Bad input; the message is one line that names the thing, the place and the remedy."""
