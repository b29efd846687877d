// Command supervisor is the privileged parent: it opens the devices, owns the
// queues, launches confined workers, proves their confinement, grants them
// their descriptors, watches, restarts and ends them.
//
// It is started by `sallyport run` and `sallyport demo` and by a service
// manager, with one configuration file:
//
//	supervisor [flags] sensor-logger.hcl
//
// The privileged surface is small by rule: no network protocol, no HTTP, no
// decoder of foreign data. What it reads from a worker are fixed-size frames,
// receipts and notices, and lines for the log, cut and quoted.
//
// One oklog/run group holds the actors: the conductor (signals and the order of
// the stop, the feed of simulated devices), the workers (a loop each), the tap
// (frames to events) and the control socket. What a configuration decides is a
// setup; a reload makes another one and puts it in its place.
package main
