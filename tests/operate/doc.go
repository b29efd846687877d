// Package operate has tests only: the built supervisor in the hands of an
// operator while its workers do their worst, and as many of them as fit.
package operate
