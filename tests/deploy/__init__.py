"""What deploy/ holds is what Kubernetes, Compose, Prometheus and systemd take (`make deploy-check`)."""
