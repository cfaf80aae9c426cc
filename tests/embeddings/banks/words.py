"""The words of the table that tests of banks share."""

WORDS = [f"word{row}" for row in range(41)]
