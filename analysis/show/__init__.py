"""How it is shown: Markdown, pages, pictures."""
