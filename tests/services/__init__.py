"""RabbitMQ and PostgreSQL for tests, chaos runs and benchmarks, on free loopback ports.

```python
with RabbitMQ() as broker, PostgreSQL() as database:
    broker.fresh_vhost(), database.fresh_database()     # URLs of empty, private rooms
    broker.kill(); broker.start()                       # same port, same data
```

Where the servers come from, first that fits: containers, when a Docker daemon answers; private
instances of the servers installed here; the same after `apt-get install`, for root on Debian or
Ubuntu. `BUDKAVLE_TEST_SERVICES=docker` or `=local` forces one. When nothing fits, `NoService` says
what to install: a missing service fails a test, it never skips one.
"""

from tests.services.hosts import NoService
from tests.services.postgresql import PostgreSQL, Standby
from tests.services.rabbitmq import Place, RabbitMQ

__all__ = ["NoService", "Place", "PostgreSQL", "RabbitMQ", "Standby"]
