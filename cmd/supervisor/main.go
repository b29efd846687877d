package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"

	"sallyport/internal/config"
	"sallyport/internal/seccomp/scmp"
	"sallyport/internal/socket"
	"sallyport/internal/systemd"
)

// Exit codes, the same as the command's.
const (
	exitFailed        = 1
	exitUsage         = 2
	exitConfiguration = 3
	exitNotPermitted  = 5
)

// options are what the command line says.
type options struct {
	file      string
	rootless  bool   // in a user namespace with one mapped id
	owner     string // a further user id that may own configuration and binaries
	level     string
	json      bool
	check     bool   // open, make and compile everything, start nothing
	namespace string // set by ourselves for the exec that enters the IPC namespace
	learn     string // a worker whose calls are recorded instead of filtered
	learned   string // file for them
	try       bool   // file is a trial
	inherited socket.Inherited
	manager   *systemd.Manager
	takeOver  succession
	cameBack  string // why the program in between gave up
	can       int    // number of an estate that is only asked about; -1 without
}

func (o options) alsoOwner() ([]uint32, error) {
	if o.owner == "" {
		return nil, nil
	}
	var ids []uint32
	for text := range strings.SplitSeq(o.owner, ",") {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("flag -owner: %q is not a user id", text)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

// succession is what the program before in this process left: see execution.
type succession struct{ estate, before int }

func (t *succession) String() string { return "" }

// Set reads the flag, ESTATE,BEFORE.
func (t *succession) Set(text string) error {
	_, err := fmt.Sscanf(text, "%d,%d", &t.estate, &t.before)
	return err
}

// The process's first thread makes the clones and stays with the process to its
// end: an exec by it leaves the workers their parent. Only here can the main
// goroutine still be kept on it.
func init() { runtime.LockOSThread() }

func main() {
	o := options{takeOver: succession{-1, -1}}
	flags := flag.NewFlagSet("supervisor", flag.ContinueOnError)
	flags.BoolVar(&o.rootless, "rootless", false, "run as root of a user namespace with a single mapped id")
	flags.StringVar(&o.owner, "owner", "", "further user `ids` that may own the configuration and the binaries")
	flags.StringVar(&o.level, "log-level", "info", "least `level` that is logged: debug, info, warn, error")
	flags.BoolVar(&o.json, "log-json", false, "log JSON lines")
	flags.BoolVar(&o.check, "check", false, "open and compile everything that the configuration names, and start nothing")
	version := flags.Bool("libseccomp", false, "print the version of libseccomp and end")
	flags.StringVar(&o.namespace, namespaceFlag, "", "the IPC namespace that was entered (set by the supervisor itself)")
	flags.Var(&o.takeOver, takeOverFlag, "what the program before left (set by the supervisor itself)")
	flags.StringVar(&o.cameBack, cameBackFlag, "", "why another program did not take over (set by the supervisor itself)")
	flags.IntVar(&o.can, canFlag, -1, "only say whether this could be taken over (set by the supervisor itself)")
	flags.StringVar(&o.learn, "learn", "", "record the calls of this `worker` instead of filtering them, for sallyport policy learn")
	flags.StringVar(&o.learned, "learned", "", "`file` that the recorded calls are written to at the end")
	flags.BoolVar(&o.try, "try", false, "run the program that FILE describes under a profile, for sallyport policy test")
	compiling := flags.Bool("compile", false, "compile a profile that stands on standard input, for sallyport policy (needs no root)")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: supervisor [flags] FILE\n\nThe command `sallyport run FILE` starts it. Flags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		os.Exit(exitUsage)
	}
	if *version {
		fmt.Println(scmp.Version())
		return
	}
	if *compiling && flags.NArg() == 0 {
		if err := compileFor(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		return
	}
	if flags.NArg() != 1 {
		flags.Usage()
		os.Exit(exitUsage)
	}
	o.file = flags.Arg(0)
	os.Exit(start(o))
}

// start runs the supervisor and gives its exit code.
func start(o options) int {
	log := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "supervisor", Level: hclog.LevelFromString(o.level), JSONFormat: o.json, Output: os.Stderr})
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "supervisor: it must start as root (here it has user id "+strconv.Itoa(os.Geteuid())+
			"): it opens devices and gives every worker a user of its own; use sudo, or `sallyport demo`, which can do without")
		return exitNotPermitted
	}
	if o.namespace == "" {
		// Does not return when all goes well: the exec starts us again inside.
		fmt.Fprintln(os.Stderr, "supervisor: cannot enter an IPC namespace of its own:", enterNamespace(wantsHost(o)))
		return exitNotPermitted
	}
	if err := confirmNamespace(o.namespace); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		return exitFailed
	}
	if o.can >= 0 {
		if err := answerWhetherItCan(o, o.can); err != nil {
			fmt.Println(err)
			return exitFailed
		}
		fmt.Print(yes)
		return 0
	}
	inherited, err := socket.FromEnvironment()
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervisor: listeners of the service manager:", err)
		return exitFailed
	}
	o.inherited = inherited
	if o.check {
		return exitCode(examine(o, log))
	}
	if o.try {
		return exitCode(try(o, log))
	}
	if o.manager, err = systemd.FromEnvironment(); err != nil {
		log.Warn("the service manager will hear nothing", "why", err)
	}
	if o.takeOver.estate >= 0 {
		return takeOver(o, log)
	}
	s, err := newSupervisor(o, log)
	if err != nil {
		return exitCode(err)
	}
	s.hear()
	return serve(s)
}

// serve runs a supervisor beside the process's first thread, which is its
// launcher's, and gives the exit code.
func serve(s *supervisor) int {
	code := make(chan int, 1)
	go func() {
		code <- exitCode(s.run())
		s.thread.Close()
	}()
	s.thread.Serve()
	return <-code
}

func exitCode(err error) int {
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		fmt.Fprint(os.Stderr, problems.Error())
		return exitConfiguration
	case err != nil:
		fmt.Fprintln(os.Stderr, "supervisor:", err)
		return exitFailed
	}
	return 0
}
