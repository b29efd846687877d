package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	sensorlogger "sallyport/examples/sensor-logger"
	"sallyport/internal/install"
)

//go:embed rogue.hcl
var rogueBlock []byte

// demoFiles are the paths of one demo. All but data is removed at its end.
type demoFiles struct{ config, socket, data string }

// writeDemo puts the example's configuration into home with its paths changed
// to ones inside home, and with the worker that misbehaves on purpose.
// What is missing here is waived, and nothing else.
func writeDemo(home string, missing []install.Protection) (demoFiles, error) {
	run := filepath.Join(home, "run")
	files := demoFiles{config: filepath.Join(run, "demo.hcl"), socket: filepath.Join(run, "control.sock"), data: filepath.Join(home, "data")}
	text, err := demoConfig(files, missing)
	if err != nil {
		return files, err
	}
	if err := os.Mkdir(run, 0o700); err != nil {
		return files, err
	}
	return files, os.WriteFile(files.config, text, 0o600)
}

func demoConfig(files demoFiles, missing []install.Protection) ([]byte, error) {
	file, problems := hclwrite.ParseConfig(sensorlogger.Configuration, "sensor-logger.hcl", hcl.InitialPos)
	if problems.HasErrors() {
		return nil, fmt.Errorf("the example's configuration: %w", problems)
	}
	supervisor := file.Body().FirstMatchingBlock("supervisor", nil)
	data := file.Body().FirstMatchingBlock("directory", []string{"data"})
	restart := restartBlock(file.Body())
	if supervisor == nil || data == nil || restart == nil {
		return nil, fmt.Errorf("the example's configuration has no block supervisor, directory %q or defaults { restart }", "data")
	}
	// The demo kills on purpose, as long as it runs: nobody is to be given up.
	restart.Body().SetAttributeValue("give_up", cty.StringVal("1000 in 10m"))
	restart.Body().SetAttributeValue("backoff", cty.StringVal("200ms..1s"))
	supervisor.Body().SetAttributeValue("control", cty.StringVal(files.socket))
	data.Body().SetAttributeValue("path", cty.StringVal(files.data))
	waive := cty.ListValEmpty(cty.String)
	if len(missing) > 0 {
		names := make([]cty.Value, len(missing))
		for i, p := range missing {
			names[i] = cty.StringVal(p.Name)
		}
		waive = cty.ListVal(names)
	}
	supervisor.Body().SetAttributeValue("waive", waive)
	return append(file.Bytes(), rogueBlock...), nil
}

func restartBlock(body *hclwrite.Body) *hclwrite.Block {
	defaults := body.FirstMatchingBlock("defaults", nil)
	if defaults == nil {
		return nil
	}
	return defaults.Body().FirstMatchingBlock("restart", nil)
}
