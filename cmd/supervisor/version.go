package main

// version is set by the build: the commit, or the tag.
var version = "unknown"
