//go:build !linux

package main

// freeBytes returns false: only Linux is supported.
func freeBytes(string) (free int64, known bool) { return 0, false }
