"""Training on seen labels."""
