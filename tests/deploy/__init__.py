"""Kubernetes, Compose, Prometheus and systemd take what deploy/ holds (`make deploy-check`)."""
