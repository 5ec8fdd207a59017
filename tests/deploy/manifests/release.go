package manifests

import (
	"fmt"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// Pod is a template of pods, and which object makes them.
type Pod struct {
	Owner string
	core.PodTemplateSpec
}

// Release is all that one rendering holds, by kind.
type Release struct {
	Names       []string
	Pods        []Pod
	Deployments []*apps.Deployment
	Services    []*core.Service
	Budgets     []*policy.PodDisruptionBudget
	Policies    []*networking.NetworkPolicy
	Scalings    []*keda.ScaledObject
	Logins      []*keda.TriggerAuthentication
	Monitors    []*monitoring.ServiceMonitor
	Rules       []*monitoring.PrometheusRule
}

// Sort puts the objects of one rendering into a Release.
func Sort(objects []runtime.Object) *Release {
	release := &Release{}
	for _, object := range objects {
		release.Names = append(release.Names, nameOf(object))
		release.add(object)
	}
	return release
}

func (release *Release) add(object runtime.Object) {
	switch o := object.(type) {
	case *apps.Deployment:
		release.Deployments = append(release.Deployments, o)
		release.addPod(object, o.Spec.Template)
	case *batch.Job:
		release.addPod(object, o.Spec.Template)
	case *batch.CronJob:
		release.addPod(object, o.Spec.JobTemplate.Spec.Template)
	case *core.Service:
		release.Services = append(release.Services, o)
	case *policy.PodDisruptionBudget:
		release.Budgets = append(release.Budgets, o)
	case *networking.NetworkPolicy:
		release.Policies = append(release.Policies, o)
	default:
		release.addExtension(object)
	}
}

func (release *Release) addExtension(object runtime.Object) {
	switch o := object.(type) {
	case *keda.ScaledObject:
		release.Scalings = append(release.Scalings, o)
	case *keda.TriggerAuthentication:
		release.Logins = append(release.Logins, o)
	case *monitoring.ServiceMonitor:
		release.Monitors = append(release.Monitors, o)
	case *monitoring.PrometheusRule:
		release.Rules = append(release.Rules, o)
	}
}

func (release *Release) addPod(owner runtime.Object, template core.PodTemplateSpec) {
	release.Pods = append(release.Pods, Pod{nameOf(owner), template})
}

// nameOf is kind and name, for reports.
func nameOf(object runtime.Object) string {
	accessor, err := meta.Accessor(object)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s %s", object.GetObjectKind().GroupVersionKind().Kind, accessor.GetName())
}
