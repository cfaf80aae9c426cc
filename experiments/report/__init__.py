"""The HTML report of tables' folders, and the files of a finished table."""
