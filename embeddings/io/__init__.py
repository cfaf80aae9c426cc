"""Reading what users wrote, writing for them, and errors that are theirs to mend."""
