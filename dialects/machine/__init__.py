"""The machine: its instruction table, binary code with its rules and costs, and the description of a target."""
