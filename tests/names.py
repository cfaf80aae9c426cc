"""Label names of the small datasets that tests write."""

SEEN = ("red square", "blue disc", "green bar", "white dot", "black ring")
UNSEEN = ("pink star", "gray cross", "cyan line")
