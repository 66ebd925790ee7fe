"""The console: pages for people, made on the server, which a small script keeps up to date."""
