// Package stage is the last program that runs with the supervisor's rights in
// a process that is going to be a worker: it gives them all away and executes
// the worker's binary.
//
// The parent starts it (`worker stage`) in new mount, network, uts and cgroup
// namespaces with the descriptors numbered below, and an Order in a memory
// file. Run goes through its steps in the order of the table in run.go, on one
// locked thread, and ends in the two calls that load the filter and execute
// the plugin. The exec leaves of the process only that confined thread.
//
// A step that fails is told to the parent in words through the report pipe,
// which the exec closes: a report of one zero byte and then the end of the
// pipe means that the plugin's image has replaced the stage.
//
// The package is pure Go without cgo and touches neither the runtime's poller
// nor os.File: a descriptor that the runtime waits on may not be closed under
// it. Nobody but cmd/worker runs it; internal/launch shares its Order.
package stage
