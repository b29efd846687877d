package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"sallyport/internal/control"
)

// inspected is what the command shows of an inspection.
type inspected struct {
	Worker string `json:"worker"`
	State  string `json:"state"`
	PID    int    `json:"pid"`
	Epoch  uint32 `json:"epoch"`
	Chain  struct {
		Profile      string `json:"profile"`
		ProfileHash  string `json:"profile_sha256"`
		Instructions int    `json:"instructions"`
		VerifiedHash string `json:"verified_sha256"`
		LoadedHash   string `json:"loaded_sha256"`
		DumpHash     string `json:"dump_sha256"`
		DumpMissing  string `json:"dump_missing"`
		Same         bool   `json:"same"`
	} `json:"chain"`
	Proof struct {
		Level   int       `json:"level"`
		Asked   int       `json:"asked"`
		Taken   time.Time `json:"taken"`
		Threads int       `json:"threads"`
		TookUS  []int64   `json:"took_us"`
	} `json:"proof"`
	Now struct {
		Threads      int               `json:"threads"`
		UID          []string          `json:"uid"`
		GID          []string          `json:"gid"`
		Groups       []string          `json:"groups"`
		Capabilities map[string]string `json:"capabilities"`
		NoNewPrivs   bool              `json:"no_new_privs"`
		Filters      string            `json:"filters"`
		Executable   string            `json:"executable"`
		Root         []string          `json:"root"`
		RootReadOnly bool              `json:"root_read_only"`
		Cgroup       string            `json:"cgroup"`
		Namespaces   []struct {
			Name  string `json:"name"`
			Inode uint64 `json:"inode"`
			Own   bool   `json:"own"`
		} `json:"namespaces"`
		Descriptors []struct {
			Number int    `json:"number"`
			Target string `json:"target"`
			Grant  string `json:"grant"`
		} `json:"descriptors"`
		Limits map[string]string `json:"limits"`
	} `json:"now"`
}

func inspectCommand() *cobra.Command {
	var socket string
	var asJSON bool
	c := &cobra.Command{
		Use: "inspect WORKER", Short: "show the proof of a worker's confinement in full, and how it is now", Args: exactly(1),
		Long: "Shows the chain from the text of the worker's profile over the program that was verified to the\n" +
			"filter that the kernel says is in force, what the proof found and how long it took, and the\n" +
			"worker's ids, capabilities, namespaces, descriptors and limits as they are now.",
		RunE: func(c *cobra.Command, args []string) error {
			items, err := control.Client{Path: socket}.Ask(c.Context(), "inspect", map[string]string{"worker": args[0]})
			if err != nil {
				return err
			}
			for _, item := range items {
				if asJSON {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", item)
					continue
				}
				var i inspected
				if err := json.Unmarshal(item, &i); err != nil {
					return fmt.Errorf("inspect: %w", err)
				}
				i.show(c.OutOrStdout())
			}
			return nil
		},
	}
	c.Flags().StringVar(&socket, "socket", defaultSocket, "control socket of the supervisor")
	c.Flags().BoolVar(&asJSON, "json", false, "the answer as one JSON object")
	return c
}

func (i *inspected) show(out io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.AppendRow(table.Row{"worker", fmt.Sprintf("%s, %s, pid %d, epoch %d", i.Worker, i.State, i.PID, i.Epoch)})
	t.AppendSeparator()
	t.AppendRow(table.Row{"profile " + i.Chain.Profile, i.Chain.ProfileHash})
	t.AppendRow(table.Row{"verified program", fmt.Sprintf("%s  %d instructions", i.Chain.VerifiedHash, i.Chain.Instructions)})
	t.AppendRow(table.Row{"with this pid", i.Chain.LoadedHash})
	t.AppendRow(table.Row{"kernel's dump", i.dump()})
	t.AppendSeparator()
	t.AppendRow(table.Row{"proof", fmt.Sprintf("level %d (%d asked for), %s, %d threads, %s", i.Proof.Level, i.Proof.Asked,
		i.Proof.Taken.Local().Format(time.DateTime), i.Proof.Threads, i.took())})
	t.AppendSeparator()
	now := &i.Now
	t.AppendRow(table.Row{"ids", fmt.Sprintf("uid %s, gid %s, groups %q", strings.Join(now.UID, " "), strings.Join(now.GID, " "), now.Groups)})
	for _, name := range slices.Sorted(maps.Keys(now.Capabilities)) {
		t.AppendRow(table.Row{"capabilities, " + name, now.Capabilities[name]})
	}
	t.AppendRow(table.Row{"confinement", fmt.Sprintf("%s seccomp filters on %d threads, no_new_privs %t", now.Filters, now.Threads, now.NoNewPrivs)})
	t.AppendRow(table.Row{"executable", now.Executable})
	t.AppendRow(table.Row{"root", fmt.Sprintf("holds %q, read-only %t", now.Root, now.RootReadOnly)})
	for _, n := range now.Namespaces {
		t.AppendRow(table.Row{"namespace " + n.Name, fmt.Sprintf("%d%s", n.Inode, map[bool]string{true: "", false: " (the supervisor's)"}[n.Own])})
	}
	for _, d := range now.Descriptors {
		t.AppendRow(table.Row{fmt.Sprintf("descriptor %d", d.Number), strings.TrimSpace(d.Target + "  " + d.Grant)})
	}
	for _, name := range slices.Sorted(maps.Keys(now.Limits)) {
		t.AppendRow(table.Row{"limit " + name, now.Limits[name]})
	}
	t.AppendRow(table.Row{"cgroup", now.Cgroup})
	t.Render()
}

func (i *inspected) dump() string {
	switch {
	case i.Chain.DumpHash == "":
		return "not to be had: " + i.Chain.DumpMissing
	case i.Chain.Same:
		return i.Chain.DumpHash + "  the same"
	}
	return i.Chain.DumpHash + "  NOT what was loaded"
}

func (i *inspected) took() string {
	var parts []string
	for level, us := range i.Proof.TookUS {
		parts = append(parts, fmt.Sprintf("level %d in %v", level+1, time.Duration(us)*time.Microsecond))
	}
	return strings.Join(parts, ", ")
}
