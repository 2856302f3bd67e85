"""The benchmarks: the replay's, and the maple tree's against its rivals."""
