"""What the engine costs: `python -m tests.benchmarks NAME...`; see README.md. No test asserts a timing."""
