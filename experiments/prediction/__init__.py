"""`zsl predict` and `zsl export`: which pictures, which words, and where the answers go."""
