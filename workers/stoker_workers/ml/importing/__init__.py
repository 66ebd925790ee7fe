"""Importing models that were made elsewhere: what they take and give is read off them, and tried."""
