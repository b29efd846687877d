// Package sdktest holds the peers of other languages to the protocol: the
// vectors of pkg/scmrights/testdata/vectors.txt for each of them, and live
// hand-overs between each of them and the Go side.
//
// The peers under test are in testdata: programs on sdk/python/sallyport.py, on
// sdk/python/level1.py, and on sdk/c/sallyport.h. Python 3 and a C compiler are
// needed; where one is missing its tests are skipped and say so.
package sdktest
