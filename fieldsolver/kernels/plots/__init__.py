"""Pictures of the results of this room, one file per schema."""
