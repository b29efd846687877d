// Package install knows where the programs of Sallyport are: beside the one
// that runs, else where the package puts them. Neither PATH nor the environment
// is asked, so nobody can slip another program in.
package install
