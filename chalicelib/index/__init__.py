"""Where records and vectors live: one protocol, several stores."""
