"""Studies of declared equations: each returns an `AnalysisResult` with a verdict and an error bar."""
