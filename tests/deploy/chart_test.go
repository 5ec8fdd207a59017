// Package deploy shows that what deploy/ holds would be taken: by a Kubernetes cluster, by Docker
// Compose and by Prometheus. Nothing of it is run here.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"budkavle/tests/deploy/manifests"
)

const (
	folder = "../../deploy"
	chart  = folder + "/helm/budkavle"
	// What Helm would learn from a cluster.
	kubeVersion = "1.34.0"
)

// valueSets are those of deploy/helm/values and, by the name "", the chart's own values.
func valueSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(folder + "/helm/values/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("value sets: %v %v", files, err)
	}
	return append([]string{""}, files...)
}

// render gives what `helm template` prints for the chart, with these further arguments.
func render(t *testing.T, arguments ...string) []byte {
	t.Helper()
	rendered, err := helm(append([]string{"template", "budkavle", chart,
		"--kube-version", kubeVersion, "--namespace", "budkavle"}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

type helmError struct{ text string }

func (e helmError) Error() string { return e.text }

func helm(arguments ...string) ([]byte, error) {
	command := exec.Command(os.Getenv("HELM"), arguments...)
	var complaints strings.Builder
	command.Stderr = &complaints
	printed, err := command.Output()
	if err != nil {
		return nil, helmError{err.Error() + ": " + complaints.String()}
	}
	return printed, nil
}

func valuesArguments(file string) []string {
	if file == "" {
		return nil
	}
	return []string{"--values", file}
}

func decode(t *testing.T, rendered []byte) *manifests.Release {
	t.Helper()
	objects, err := manifests.Decode(rendered)
	if err != nil {
		t.Fatal(err)
	}
	return manifests.Sort(objects)
}

func TestTheChartIsWhatAClusterTakes(t *testing.T) {
	for _, values := range valueSets(t) {
		t.Run(filepath.Base(values), func(t *testing.T) {
			release := decode(t, render(t, valuesArguments(values)...))
			if len(release.Pods) < 7 {
				t.Errorf("it makes pods for %d things only", len(release.Pods))
			}
			for _, fault := range release.Check() {
				t.Error(fault)
			}
			for _, rule := range release.Rules {
				checkRules(t, rule.Spec)
			}
		})
	}
}

func TestHelmsOwnCheckIsContent(t *testing.T) {
	for _, values := range valueSets(t) {
		arguments := append([]string{"lint", "--strict", "--kube-version", kubeVersion, chart},
			valuesArguments(values)...)
		if _, err := helm(arguments...); err != nil {
			t.Error(err)
		}
	}
}

// Everything that can be switched on is switched on in one of the sets.
func TestEverythingIsRenderedInSomeSet(t *testing.T) {
	found := map[string]bool{}
	for _, values := range valueSets(t) {
		for _, name := range decode(t, render(t, valuesArguments(values)...)).Names {
			kind, _, _ := strings.Cut(name, " ")
			found[kind], found[name] = true, true
		}
	}
	for _, wanted := range []string{
		"Job", "CronJob", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject", "ServiceMonitor",
		"PrometheusRule", "ConfigMap budkavle-dashboard", "Service budkavle-notifier",
		"Deployment budkavle-console", "Deployment budkavle-inbox",
	} {
		if !found[wanted] {
			t.Errorf("no set renders %s", wanted)
		}
	}
}

// The manifests for those who have no Helm. `make manifests` writes them.
func TestTheManifestsAreThoseOfTheChart(t *testing.T) {
	written, err := os.ReadFile(folder + "/kubernetes/budkavle.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != string(render(t)) {
		t.Error("deploy/kubernetes/budkavle.yaml is not what the chart gives: make manifests")
	}
	namespace, err := os.ReadFile(folder + "/kubernetes/namespace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decode(t, namespace)
}

func TestTheRunbookStandsWhereTheValuesSay(t *testing.T) {
	const url = "https://wiki.example.org/runbook"
	release := decode(t, render(t, "--set", "monitoring.enabled=true,monitoring.runbookUrl="+url))
	alerts := 0
	for _, group := range release.Rules[0].Spec.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" {
				continue
			}
			alerts++
			if want := url + "#" + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
				t.Errorf("%s: %s", rule.Alert, rule.Annotations["runbook_url"])
			}
		}
	}
	if alerts == 0 {
		t.Error("there is no alert")
	}
}

// checkRules asks Prometheus' own judge about rules as the Prometheus Operator passes them on.
func checkRules(t *testing.T, spec any) {
	t.Helper()
	rules, err := yaml.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

func promtool(t *testing.T, arguments ...string) {
	t.Helper()
	if printed, err := exec.Command("promtool", arguments...).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, printed)
	}
}
