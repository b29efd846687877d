// Package alerts holds no code but a test: alerts and readings from a process
// with a user of its own, over the real bus, to receivers that are killed at any
// moment and begin again. At the end every alert must have been acted on by every
// receiver at least once or have been reported lost by its number, and none may
// have been refused, however full of readings the lanes are.
//
// `make test` has a few hundred; `make soak-alerts N=100000 SEED=7` runs many and
// writes what it found to docs/results/soak-alerts.txt.
package alerts
