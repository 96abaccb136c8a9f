"""How two forms of a network are compared: on whole inputs, and piece by piece on inputs made for each threshold."""
