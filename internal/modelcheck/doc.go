// Package modelcheck runs the project's Promela model through spin and judges
// what comes out.
//
// The model lies in a folder with two tables. runs.txt has the configurations
// that are searched to their ends; mutants.txt has the same model with one
// thing broken, and the property by which that must be noticed. A third part
// has no table: for every label of the model there is a run that must find a
// state in which a process was killed while it stood at that label, and every
// line of the model must be reached in some run. So a model in which nothing
// happens does not pass.
//
// It needs spin and a C compiler; `make model` sees to both.
package modelcheck
