// Package plan compares the configuration in force with one that is to replace
// it, and says what a reload would do: which worker is kept, restarted, started
// or stopped, and why.
//
// What is compared are effective settings, defaults merged in and names
// resolved: a comment, or an attribute that says what was the default, changes
// nothing. A worker is named once, with every reason. The package is pure; the
// supervisor carries a Plan out, and `reload --dry-run` prints it.
//
//	p := plan.Make(inForce, next)
//	fmt.Println(p) // keep store | restart sampler (devices changed) | stop web
//
// Who should not use it: nobody but the supervisor has a use for it.
package plan
