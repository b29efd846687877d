package install

import (
	"fmt"

	"sallyport/internal/cgroup"
	"sallyport/internal/landlock"
)

// Protections that a system may be unable to give, and a configuration can do
// without by name (supervisor { waive = [...] }).
const (
	OwnUID       = "own-uid"       // a user and group id for every worker
	Landlock     = "landlock"      // a second wall beside the filter
	CgroupMemory = "cgroup-memory" // a limit of all memory, beside the data segment
	CgroupCPU    = "cgroup-cpu"    // limits { cpu }, where a worker has one
)

// Protection is one that is missing, and why.
type Protection struct{ Name, Why string }

// Here is what this process finds out about protections before anything starts.
type Here struct {
	Rootless bool // no root outside of a user namespace, and one id for everybody
	Others   bool // the supervisor is going to be another process beside this one
	CPU      bool // a worker is to have a limit of CPU time
}

// Missing lists what cannot be enforced here, and gives what can be: the version
// of Landlock, 0 for none, and the place for cgroups, nil for none.
func (h Here) Missing() (list []Protection, abi int, place *cgroup.Place) {
	if h.Rootless {
		list = append(list, Protection{OwnUID, "without root every worker has the same user id; queue modes and signal checks protect nothing between workers, the filter alone does"})
	}
	abi, err := landlock.ABI()
	if err != nil {
		list = append(list, Protection{Landlock, fmt.Sprintf("%v; the filter and the empty root carry the confinement alone", err)})
	}
	place, err = cgroup.Find(h.Others)
	if !place.Has(cgroup.Memory) {
		list = append(list, Protection{CgroupMemory, fmt.Sprintf("%v; memory is limited by the data segment alone, and page cache and kernel memory are not", orWithout(err, cgroup.Memory))})
	}
	if h.CPU && !place.Has(cgroup.CPU) {
		list = append(list, Protection{CgroupCPU, fmt.Sprintf("%v; limits { cpu } is not in force", orWithout(err, cgroup.CPU))})
	}
	return list, abi, place
}

func orWithout(err error, controller string) error {
	if err == nil {
		err = fmt.Errorf("the supervisor's cgroup has no controller %s (a Raspberry Pi: cgroup_enable=memory in cmdline.txt)", controller)
	}
	return err
}
