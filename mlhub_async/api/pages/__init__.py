"""Pages of HTML about a mirror, for people: what the page is filled with, its charts and its templates."""
