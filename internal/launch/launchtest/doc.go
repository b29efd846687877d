// Package launchtest is for the tests of launch and attest: it builds the
// stage and a victim, writes a small filter by hand, and starts the victim as
// a confined worker. The victim does on command what a worker may not.
package launchtest
