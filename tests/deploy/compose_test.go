package deploy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads a file as `docker compose` does, with every profile.
func loadCompose(file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithProfiles([]string{"*"}),
		cli.WithInterpolation(true), cli.WithConsistency(true), cli.WithNormalization(true))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func TestComposeTakesTheFile(t *testing.T) {
	project, err := loadCompose(folder + "/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"ingest", "notifier", "sandbox", "grafana"} {
		if _, err := project.GetService(service); err != nil {
			t.Error(err)
		}
	}
}

func TestComposeRefusesMistakes(t *testing.T) {
	for mistake, change := range map[string][2]string{
		"a misspelt key":          {"stop_grace_period", "stop_grace_periode"},
		"a secret that is none":   {"secrets: [postgres_password]", "secrets: [postgres_pasword]"},
		"a service that is none":  {"setup: {condition", "set_up: {condition"},
		"a duration without unit": {"interval: 10s", "interval: ten"},
	} {
		t.Run(mistake, func(t *testing.T) {
			if _, err := loadCompose(changed(t, folder+"/compose.yaml", change)); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestPrometheusTakesItsFiles(t *testing.T) {
	promtool(t, "check", "config", folder+"/prometheus/prometheus.yaml")
	promtool(t, "check", "rules", folder+"/prometheus/alerts.yaml")
}

// changed gives a copy of a file in which one text is another.
func changed(t *testing.T, file string, change [2]string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), change[0]) {
		t.Fatalf("%s does not hold %q", file, change[0])
	}
	copied := filepath.Join(t.TempDir(), filepath.Base(file))
	text = []byte(strings.ReplaceAll(string(text), change[0], change[1]))
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}
