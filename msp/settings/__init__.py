"""Settings: `dev`, `test` and `prod` differ only in values; `env` alone reads the environment."""
