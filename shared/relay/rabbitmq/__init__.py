"""RabbitMQ as a broker: the only room that knows pika."""
