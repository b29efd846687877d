package main

var startCalls []uint32
