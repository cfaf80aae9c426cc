"""Speed and cost of heads."""
