"""The whole relay under load: real processes, RabbitMQ, PostgreSQL, the sandbox as the world."""
