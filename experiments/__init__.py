"""The command line, the data, the trainer, the reproductions and the benchmarks."""
