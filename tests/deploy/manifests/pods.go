package manifests

import (
	"strings"

	core "k8s.io/api/core/v1"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var restricted = security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}

func checkPod(pod Pod, report reporter) {
	checkSecurity(pod, report)
	volumes := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, container := range pod.Spec.Containers {
		checkContainer(pod.Owner, container, report)
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				report("%s: mounts %s, which is no volume", pod.Owner, mount.Name)
			}
		}
	}
}

// checkSecurity asks the code by which a cluster admits pods.
func checkSecurity(pod Pod, report reporter) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
	if !result.Allowed {
		report("%s: Pod Security \"restricted\" forbids it: %s", pod.Owner, result.ForbiddenDetail())
	}
}

func checkContainer(owner string, container core.Container, report reporter) {
	for _, kind := range []core.ResourceName{core.ResourceCPU, core.ResourceMemory} {
		if _, named := container.Resources.Requests[kind]; !named {
			report("%s: requests no %s", owner, kind)
		}
	}
	if container.Resources.Limits.Memory().IsZero() {
		report("%s: has no limit of memory", owner)
	}
	if _, tag, found := strings.Cut(container.Image, ":"); !found || tag == "" || tag == "latest" {
		report("%s: the image %s names no version", owner, container.Image)
	}
	if container.SecurityContext == nil || container.SecurityContext.ReadOnlyRootFilesystem == nil ||
		!*container.SecurityContext.ReadOnlyRootFilesystem {
		report("%s: its root file system can be written to", owner)
	}
	for _, probe := range []*core.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if probe != nil && probe.HTTPGet != nil && !containerHasPort(container, probe.HTTPGet.Port) {
			report("%s: a probe asks port %s, which is not there", owner, probe.HTTPGet.Port.String())
		}
	}
}
