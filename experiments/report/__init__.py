"""The HTML report of tables' folders, and what is left of a finished table."""
