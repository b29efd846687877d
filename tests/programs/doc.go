// Package programs has tests only: programs that know nothing of Sallyport run
// as workers under the built supervisor, one that nobody here wrote among them.
package programs
