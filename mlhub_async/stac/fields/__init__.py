"""Fields that publishers write in several ways: structures of old versions, and where assets are."""
