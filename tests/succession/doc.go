// Package succession holds tests only: what survives a supervisor. A service
// manager, played by the test, starts a new one after a kill -9 with what is in
// its descriptor store; and `sallyport upgrade` puts a new program in the place
// of a running one. They need root and what make build makes.
package succession
