"""Rules in engineering units that need no model."""
