"""Words, names and tag lists that the tests of word tables share."""

WORDS = ["dog", "polar_bear", "sky", "naïve", "狗", "New York", "cat", "tree", "boat", "red", "blue"]
NAMES = ["sky", "polar bear", "狗", "dog"]
KEYS = ["sky", "polar_bear", "狗", "dog"]  # the names as the tables have them
TAGS = [["dog", "sky", "polar_bear"], ["狗", "tree", "sky"], ["dog", "polar_bear", "狗"]] * 7
