"""The web room: public intake endpoints, `/api/v1`, pages, the live stream."""
