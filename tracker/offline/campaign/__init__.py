"""Campaigns: many seeded closed loops with mishaps, and what they say about safety."""
