// Package policy holds the profiles that workers run under, one file a role, and
// the groups of calls that they share. The language is that of internal/seccomp;
// every line carries its reason.
package policy
