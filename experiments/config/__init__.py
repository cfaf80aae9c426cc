"""Configs as users give them: recipes, files, `--set`, and advice on what they leave open."""
