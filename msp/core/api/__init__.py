"""What every management API shares: who may call, pages, errors."""
