// Command sallyport is what people type: it checks configurations, starts the
// supervisor, asks it, and shows the demo. It has no privileges of its own; what
// needs root it lets the supervisor do.
package main
