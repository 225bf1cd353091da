"""Where journals are kept. Each adapter passes `holdfast.testing.StoreSuite`."""
