"""The deliveries of webhooks."""
