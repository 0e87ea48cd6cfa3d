//go:build !chaos

package chaos

// Enabled tells whether the build has yield points.
const Enabled = false

// Point does nothing in this build.
func Point(string) {}
