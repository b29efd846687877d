// Package hostile holds no code but tests: workers that misuse their queues, with
// users of their own, and what becomes of it. The two guards of a lane are tried
// one at a time and together: the modes that internal/bus sets, with no filter,
// and the compiled filter of the worker's profile, with lanes that anybody may
// use. What the filter stops ends a real worker, and that is timed as well.
package hostile
