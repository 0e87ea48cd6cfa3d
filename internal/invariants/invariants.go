// Package invariants switches expensive self-checks: built with -tags
// invariants the data structures walk themselves after every change and panic
// at the first inconsistency; in a normal build the checks are dead code.
//
//	if invariants.Enabled {
//		invariants.Check(t.Validate())
//	}
package invariants

// Check panics with err unless it is nil.
func Check(err error) {
	if err != nil {
		panic("invariant violated: " + err.Error())
	}
}
