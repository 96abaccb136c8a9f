"""Orders, bit loops and places in racetrack memory: algorithms over plain data, without IR."""
