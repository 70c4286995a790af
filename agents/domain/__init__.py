"""Rules about machines: values in, a verdict out."""
