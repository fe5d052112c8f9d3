"""A real Kafka broker for the tests: fetched once, started as a child that dies with them."""
