// Package manifests reads what Helm renders as a cluster would, and finds what it would refuse or
// leave without effect.
package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var decoder = strictDecoder()

func strictDecoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, batch.AddToScheme, core.AddToScheme, networking.AddToScheme,
		policy.AddToScheme, keda.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// Decode reads YAML documents into the types of their APIs. A field that the type does not have, a
// field given twice and a kind that is not known are errors.
func Decode(rendered []byte) ([]runtime.Object, error) {
	var objects []runtime.Object
	var faults []error
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(rendered)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(faults...)
		}
		if err != nil {
			return nil, err
		}
		object, err := decodeOne(document)
		if err != nil {
			faults = append(faults, err)
		} else if object != nil {
			objects = append(objects, object)
		}
	}
}

// decodeOne gives nil for a document of comments only.
func decodeOne(document []byte) (runtime.Object, error) {
	asJSON, err := yaml.ToJSON(document)
	if err != nil || string(asJSON) == "null" {
		return nil, err
	}
	object, _, err := decoder.Decode(document, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", firstLine(document), err)
	}
	return object, nil
}

func firstLine(document []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(bytes.TrimPrefix(document, []byte("---"))), []byte("\n"))
	return string(line)
}
