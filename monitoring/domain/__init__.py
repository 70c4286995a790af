"""The rules of monitoring as pure functions: samples in, verdicts out, time is sample time."""
