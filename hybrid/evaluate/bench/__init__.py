"""An index measured on its own machine: latency of each step, and what the graph misses."""
