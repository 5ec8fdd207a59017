package manifests

import (
	"fmt"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type reporter func(format string, values ...any)

// Check finds what decodes and would all the same be refused by a cluster, or match nothing there.
func (release *Release) Check() []string {
	var faults []string
	report := func(format string, values ...any) { faults = append(faults, fmt.Sprintf(format, values...)) }
	release.checkNames(report)
	for _, pod := range release.Pods {
		checkPod(pod, report)
	}
	release.checkDeployments(report)
	release.checkServices(report)
	release.checkBudgets(report)
	release.checkPolicies(report)
	release.checkScalings(report)
	release.checkMonitors(report)
	return faults
}

func (release *Release) checkNames(report reporter) {
	seen := map[string]bool{}
	for _, name := range release.Names {
		if seen[name] {
			report("%s: there are two", name)
		}
		seen[name] = true
	}
}

func (release *Release) checkDeployments(report reporter) {
	for _, deployment := range release.Deployments {
		owner := nameOf(deployment)
		pod := deployment.Spec.Template
		if !selects(deployment.Spec.Selector, pod.Labels) {
			report("%s: its selector does not select its own pods", owner)
		}
		for _, spread := range pod.Spec.TopologySpreadConstraints {
			if !selects(spread.LabelSelector, pod.Labels) {
				report("%s: the spread over %s does not count its own pods", owner, spread.TopologyKey)
			}
		}
		if len(release.podsOf(deployment.Spec.Selector)) != 1 {
			report("%s: its selector selects pods of others", owner)
		}
	}
}

func (release *Release) checkServices(report reporter) {
	for _, service := range release.Services {
		pods := release.podsOf(&meta.LabelSelector{MatchLabels: service.Spec.Selector})
		if len(pods) == 0 {
			report("%s: selects no pod", nameOf(service))
		}
		for _, port := range service.Spec.Ports {
			for _, pod := range pods {
				if !hasPort(pod, port.TargetPort) {
					report("%s: %s has no port %s", nameOf(service), pod.Owner, port.TargetPort.String())
				}
			}
		}
	}
}

func (release *Release) checkBudgets(report reporter) {
	for _, budget := range release.Budgets {
		if pods := release.podsOf(budget.Spec.Selector); len(pods) != 1 {
			report("%s: selects the pods of %d objects, not of one", nameOf(budget), len(pods))
		}
	}
}

func (release *Release) checkPolicies(report reporter) {
	for _, policy := range release.Policies {
		pods := release.podsOf(&policy.Spec.PodSelector)
		if len(pods) == 0 {
			report("%s: selects no pod", nameOf(policy))
		}
		for _, rule := range policy.Spec.Ingress {
			for _, port := range rule.Ports {
				for _, pod := range pods {
					if port.Port != nil && !hasPort(pod, *port.Port) {
						report("%s: %s has no port %s", nameOf(policy), pod.Owner, port.Port.String())
					}
				}
			}
		}
	}
	release.checkEveryPodHasPolicy(report)
}

// A pod that no policy selects may be called by anybody, and may call anybody.
func (release *Release) checkEveryPodHasPolicy(report reporter) {
	for _, pod := range release.Pods {
		selected := len(release.Policies) == 0
		for _, policy := range release.Policies {
			selected = selected || selects(&policy.Spec.PodSelector, pod.Labels)
		}
		if !selected {
			report("%s: no NetworkPolicy selects its pods", pod.Owner)
		}
	}
}

func (release *Release) checkScalings(report reporter) {
	for _, scaling := range release.Scalings {
		owner := nameOf(scaling)
		if err := keda.CheckReplicaCountBoundsAreValid(scaling); err != nil {
			report("%s: %s", owner, err)
		}
		if err := keda.CheckFallbackValid(scaling); err != nil {
			report("%s: %s", owner, err)
		}
		release.checkScaled(owner, scaling, report)
		for _, trigger := range scaling.Spec.Triggers {
			if !release.hasLogin(trigger.AuthenticationRef) {
				report("%s: there is no TriggerAuthentication for %s", owner, trigger.Type)
			}
		}
	}
}

func (release *Release) checkScaled(owner string, scaling *keda.ScaledObject, report reporter) {
	for _, deployment := range release.Deployments {
		if deployment.Name == scaling.Spec.ScaleTargetRef.Name {
			if deployment.Spec.Replicas != nil {
				report("%s: replicas are set too, so each upgrade undoes the scaling", owner)
			}
			return
		}
	}
	report("%s: there is no Deployment %s", owner, scaling.Spec.ScaleTargetRef.Name)
}

func (release *Release) hasLogin(wanted *keda.AuthenticationRef) bool {
	for _, login := range release.Logins {
		if wanted != nil && login.Name == wanted.Name {
			return true
		}
	}
	return false
}

func (release *Release) checkMonitors(report reporter) {
	for _, monitor := range release.Monitors {
		for _, endpoint := range monitor.Spec.Endpoints {
			if !release.hasServicePort(&monitor.Spec.Selector, endpoint.Port) {
				report("%s: no Service that it selects has a port %s", nameOf(monitor), endpoint.Port)
			}
		}
	}
}

func (release *Release) hasServicePort(selector *meta.LabelSelector, name string) bool {
	for _, service := range release.Services {
		for _, port := range service.Spec.Ports {
			if port.Name == name && selects(selector, service.Labels) {
				return true
			}
		}
	}
	return false
}

func (release *Release) podsOf(selector *meta.LabelSelector) []Pod {
	var pods []Pod
	for _, pod := range release.Pods {
		if selects(selector, pod.Labels) {
			pods = append(pods, pod)
		}
	}
	return pods
}

func selects(selector *meta.LabelSelector, of map[string]string) bool {
	parsed, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(of))
}

func hasPort(pod Pod, wanted intstr.IntOrString) bool {
	for _, container := range pod.Spec.Containers {
		if containerHasPort(container, wanted) {
			return true
		}
	}
	return false
}

func containerHasPort(container core.Container, wanted intstr.IntOrString) bool {
	for _, port := range container.Ports {
		if port.Name == wanted.StrVal || port.ContainerPort == wanted.IntVal {
			return true
		}
	}
	return false
}
