package deploy

import (
	"strings"
	"testing"

	"budkavle/tests/deploy/manifests"
)

// faultsOf is what is found in a rendering, by decoding or after it.
func faultsOf(rendered string) string {
	objects, err := manifests.Decode([]byte(rendered))
	if err != nil {
		return err.Error()
	}
	return strings.Join(manifests.Sort(objects).Check(), "\n")
}

func TestMistakesAreFound(t *testing.T) {
	rendered := string(render(t, "--values", folder+"/helm/values/region.yaml"))
	for _, mistake := range []struct{ old, new, found string }{
		{"automountServiceAccountToken:", "automountServiceAcountToken:", `unknown field "spec.template.spec.automountServiceAcountToken"`},
		{"timeoutSeconds: 6", "timeoutSeconds: six", "timeoutSeconds"},
		{"minReplicaCount:", "minReplicas:", `unknown field "spec.minReplicas"`},
		{"jobLabel:", "joblabel:", `unknown field "spec.joblabel"`},
		{"  maxUnavailable: 1\n", "  maxUnavailable: 1\n  maxUnavailable: 2\n", `already set`},
		{"kind: PrometheusRule", "kind: PrometheusRules", "no kind"},
		{"apiVersion: policy/v1", "apiVersion: policy/v1beta1", "no kind"},
		{"cpu: 100m", "cpu: 100 m", "quantities"},
		{"seccompProfile: {type: RuntimeDefault}", "", "seccompProfile"},
		{"runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"},
		{"capabilities: {drop: [ALL]}", "", "unrestricted capabilities"},
		{"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation"},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "can be written to"},
		{"port: health}\n            periodSeconds: 5", "port: healthy}\n            periodSeconds: 5", "a probe asks port healthy"},
		{"targetPort: soap", "targetPort: http", "has no port http"},
		{"{port: soap}", "{port: http}", "has no port http"},
		{"budkavle/metrics: scraped\n  ports", "budkavle/metric: scraped\n  ports", "Service budkavle-metrics: selects no pod"},
		{"- port: health\n      path", "- port: metrics\n      path", "no Service that it selects has a port metrics"},
		{"scaleTargetRef: {name: budkavle-filter}", "scaleTargetRef: {name: filter}", "there is no Deployment filter"},
		{"authenticationRef: {name: budkavle-broker}", "authenticationRef: {name: broker}", "there is no TriggerAuthentication"},
		{"minReplicaCount: 1", "minReplicaCount: 100", "MinReplicaCount=100 must be less"},
		{"{name: tmp, mountPath", "{name: temp, mountPath", "mounts temp, which is no volume"},
		{"image: registry.example.org/budkavle:0.1.0", "image: registry.example.org/budkavle", "names no version"},
		{"name: budkavle-purge\n", "name: budkavle-setup\n", "there are two"},
		{"requests:", "limit:", "limit"},
	} {
		t.Run(mistake.old, func(t *testing.T) {
			if !strings.Contains(rendered, mistake.old) {
				t.Fatalf("the chart does not hold %q", mistake.old)
			}
			found := faultsOf(strings.ReplaceAll(rendered, mistake.old, mistake.new))
			if !strings.Contains(found, mistake.found) {
				t.Errorf("not found: %q in %q", mistake.found, found)
			}
		})
	}
}

func TestSelectorsThatMissTheirPodsAreFound(t *testing.T) {
	rendered := string(render(t))
	label := "app.kubernetes.io/component: fetcher"
	for indent, found := range map[string]string{
		"\n      " + label:         "does not select its own pods",
		"\n        " + label:       "NetworkPolicy budkavle-fetcher: selects no pod",
		"\n              " + label: "does not count its own pods",
	} {
		changed := strings.ReplaceAll(rendered, indent+"\n", strings.ReplaceAll(indent, "fetcher", "fetch")+"\n")
		if faults := faultsOf(changed); !strings.Contains(faults, found) {
			t.Errorf("not found: %q in %q", found, faults)
		}
	}
}

func TestValuesThatAreNoneAreRefused(t *testing.T) {
	for value, named := range map[string]string{
		"keda.enable=true":                     "enable",
		"processes.fetcher.replicas=two":       "replicas",
		"processes.fetchers.replicas=2":        "fetchers",
		"settings.BUDKAVLE_BROKER_URL=amqp://": "BUDKAVLE_BROKER_URL",
		"processes.filter.settings.OTHER=1":    "OTHER",
		"networkPolicy.to.sms.port=443":        "port",
		"topologySpread.nodes=Maybe":           "nodes",
	} {
		_, err := helm("template", "budkavle", chart, "--kube-version", kubeVersion, "--set", value)
		if err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
