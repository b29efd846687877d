package config_test

import (
	"errors"
	"fmt"
	"os"

	"sallyport/internal/config"
)

func ExampleParse() {
	src := []byte(`
worker "sampler" {
  command = ["sampler"]
  polcy   = "sensor-read"
}
`)
	_, err := config.Parse("demo.hcl", src)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(os.Stdout, p)
		}
	}
	// Output:
	// demo.hcl:4:3: worker "sampler": there is no attribute "polcy" here
	//     4 |   polcy   = "sensor-read"
	//       |   ^
	//   fix: did you mean "policy"?
}
