"""What users compare: speed and cost of heads, layers and modules."""
