"""Text encoders: the table, one file a family, and the tables of words that several of them look names up in."""
