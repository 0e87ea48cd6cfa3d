// Package metrics is in progress.
package metrics
