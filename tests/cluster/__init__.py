"""The whole relay on three RabbitMQ nodes and two PostgreSQL servers, of which some fail.

```
network     a machine for each node, as far as the network goes: namespaces, and wires to cut
nodes       the RabbitMQ cluster
database    a PostgreSQL primary and its standby
timeline    what fails when, as data
plain       the load of the short form
conductor   makes it fail, while the load of tests.chaos goes on
standstill  how long nothing went on, from the logs
```

Load, oracle and accounts are those of `tests.chaos`. `make chaos-cluster`, or
`python -m tests.cluster --short --seed 7`. Root only.
"""
