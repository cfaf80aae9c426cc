"""What goes in and out: files, label names and messages, the same for all three packages; no torch here."""
