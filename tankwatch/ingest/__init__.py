"""From raw readings to stored ones: parse, then accept."""
