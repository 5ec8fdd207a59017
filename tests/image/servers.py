"""RabbitMQ and PostgreSQL of the system it runs in, until its input ends. Says where, in JSON."""

import json
import sys

from tests.services import PostgreSQL, RabbitMQ


def main() -> None:
    with RabbitMQ() as broker, PostgreSQL() as database:
        version = broker.ctl("eval", "rabbit_misc:version().").strip().strip('"')
        said = {
            "broker": broker.fresh_vhost(),
            "database": database.fresh_database(),
            "versions": {"RabbitMQ": version, "PostgreSQL": database.version},
        }
        print(json.dumps(said), flush=True)  # noqa: T201 - its answer
        sys.stdin.read()


if __name__ == "__main__":
    main()
