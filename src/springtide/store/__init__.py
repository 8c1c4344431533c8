"""Where the record is kept: versioned, fenced, watched. SQLAlchemy stays inside this room."""
