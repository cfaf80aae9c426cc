"""What commands write: the console, files, plots."""
