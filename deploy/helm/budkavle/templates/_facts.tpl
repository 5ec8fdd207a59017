{{/* What the code says of each process, and nobody sets. `talksTo` names keys of networkPolicy.to;
`probe` is the port with /healthz and /readyz where that is the door and there are no metrics. */}}
{{- define "budkavle.facts" -}}
ingest:
  args: [run, ingest]
  door: {name: soap, port: 8080, setting: BUDKAVLE_INGEST_BIND}
  talksTo: [broker, database]
filter:
  args: [run, filter]
  queue: budkavle.filter
  talksTo: [broker, database]
fetcher:
  args: [run, fetcher]
  queue: budkavle.fetcher
  talksTo: [broker, database, platform]
composer:
  args: [run, composer]
  queue: budkavle.composer
  talksTo: [broker, database]
notifier:
  args: [run, notifier]
  queue: budkavle.notifier
  door: {name: reports, port: 8092, setting: BUDKAVLE_NOTIFIER_REPORT_BIND}
  talksTo: [broker, database, mail, sms]
console:
  args: [console]
  door: {name: pages, port: 8091, setting: BUDKAVLE_CONSOLE_BIND}
  probe: pages
  talksTo: [broker, management, database, login, prometheus]
inbox:
  args: [inbox, serve]
  door: {name: inbox, port: 8090, setting: BUDKAVLE_INBOX_BIND}
  talksTo: [database, login]
setup:
  args: [setup]
  talksTo: [broker, management, database]
purge:
  args: [purge]
  talksTo: [database]
{{- end }}
