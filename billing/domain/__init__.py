"""The rules of billing as pure functions: minutes and rates in, exact decimal amounts out."""
