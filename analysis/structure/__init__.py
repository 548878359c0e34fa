"""What is conserved, what decreases, and what kind of system it is: probes, libraries and proofs."""
