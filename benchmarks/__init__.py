"""Speed and memory, side by side, as ratios. `make bench` runs all; see __main__."""
