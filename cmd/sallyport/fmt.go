package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

func fmtCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use: "fmt FILE", Short: "bring a configuration into its canonical form", Args: exactly(1),
		Long: "Rewrites the file in place, if that changes anything, and prints its name then; a file named -\n" +
			"goes from the standard input to the standard output. Comments stay. With --check nothing is\n" +
			"written, and the exit code is 1 for a file that is not in the form.",
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" {
				return formatStream(c.InOrStdin(), c.OutOrStdout())
			}
			if err := existing(args[0]); err != nil {
				return err
			}
			return formatFile(args[0], check, c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&check, "check", false, "write nothing; exit with 1 if the file is not in the form")
	return c
}

func formatStream(in io.Reader, out io.Writer) error {
	src, err := io.ReadAll(io.LimitReader(in, maxFormat+1))
	if err != nil {
		return err
	}
	text, err := canonical("-", src)
	if err == nil {
		_, err = out.Write(text)
	}
	return err
}

// formatFile puts another file in the place of the old one, with its mode and
// owner, so that a reader sees the one or the other whole.
func formatFile(name string, check bool, out io.Writer) error {
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := canonical(name, src)
	if err != nil || bytes.Equal(src, text) {
		return err
	}
	fmt.Fprintln(out, name)
	if check {
		return exit{exitFailed, ""}
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	err = errors.Join(err, next.Chmod(info.Mode().Perm()), keepOwner(next, info), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// maxFormat is the size of the largest configuration there can be, in bytes.
const maxFormat = 256 << 10

// canonical gives the canonical form. Only a file that can be read has one; what
// it says need not make sense yet.
func canonical(name string, src []byte) ([]byte, error) {
	if len(src) > maxFormat {
		return nil, fmt.Errorf("%s: %d bytes are more than a configuration may have (%d)", name, len(src), maxFormat)
	}
	if strings.HasSuffix(name, ".json") {
		var out bytes.Buffer
		if err := json.Indent(&out, bytes.TrimSpace(src), "", "  "); err != nil {
			return nil, exit{exitConfiguration, fmt.Sprintf("%s: %v", name, err)}
		}
		return append(out.Bytes(), '\n'), nil
	}
	if problems := config.Syntax(name, src); problems != nil {
		return nil, problems
	}
	file, diags := hclwrite.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, exit{exitConfiguration, diags.Error()}
	}
	return hclwrite.Format(file.Bytes()), nil
}
