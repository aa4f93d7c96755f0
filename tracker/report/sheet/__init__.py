"""Show figures to a physicist: one sheet of tables and charts, as HTML and as PDF."""
